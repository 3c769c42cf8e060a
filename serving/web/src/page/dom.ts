// Making elements. Text goes in as text, so nothing that the server says can become markup.

type Child = Node | string | false | undefined;

/** Makes an element; an attribute of undefined or false is left out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string | number | boolean | undefined> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** Sets a custom property, as the page's Content-Security-Policy lets scripts but not markup do. */
export function styled<E extends HTMLElement>(element: E, property: `--${string}`, value: number): E {
  element.style.setProperty(property, String(value));
  return element;
}

/** The element with the id, which index.html holds. */
export function byId<E extends HTMLElement>(id: string, type: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html: no ${type.name} with id ${id}`);
  return element;
}
