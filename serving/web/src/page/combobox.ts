// An input with suggestions: the editable combobox with a listbox of the ARIA patterns.

import { Latest } from "../latest.ts";
import { h } from "./dom.ts";

export interface Option {
  readonly id: string;
  readonly name: string;
  /** Tells it from others of the name. */
  readonly detail: string;
}

export interface ComboboxOptions {
  readonly input: HTMLInputElement;
  /** Finds options for what is typed. */
  readonly suggest: (text: string, signal: AbortSignal) => Promise<Option[]>;
  /** Called when the person chose an option. */
  readonly chosen: () => void;
  /** Says something to those who don't see the list. */
  readonly announce: (text: string) => void;
}

/** How long typing has to pause before suggestions are asked for, in milliseconds. */
const pause = 80;

export class Combobox {
  readonly input: HTMLInputElement;
  readonly #options: ComboboxOptions;
  readonly #list: HTMLUListElement;
  readonly #latest = new Latest();
  #shown: readonly Option[] = [];
  #active = -1;
  #choice: Option | undefined;
  #timer = 0;

  constructor(options: ComboboxOptions) {
    this.#options = options;
    const input = (this.input = options.input);
    const label = input.labels?.[0]?.textContent ?? "";
    this.#list = h("ul", { id: `${input.id}-options`, role: "listbox", "aria-label": label, hidden: true });
    input.after(this.#list);
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-controls": this.#list.id,
      "aria-expanded": "false",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("input", () => this.#typed());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => this.#close());
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault()); // the input keeps the focus
    this.#list.addEventListener("click", (event) => this.#clicked(event));
  }

  /** What the server is asked for: the id of what was chosen, else what was typed. */
  get value(): string {
    return this.#choice?.id ?? this.input.value.trim();
  }

  /** Puts an option in, as if it had been chosen, or a text, as if it had been typed. */
  fill(content: Option | string): void {
    this.#close();
    this.#choice = typeof content === "string" ? undefined : content;
    this.input.value = typeof content === "string" ? content : content.name;
  }

  /** What fill takes to put the same in again. */
  get content(): Option | string {
    return this.#choice ?? this.input.value;
  }

  #typed(): void {
    this.#choice = undefined;
    window.clearTimeout(this.#timer);
    this.#activate(-1); // or Enter would choose what was found for another text
    if (this.input.value.trim() === "") return this.#close();
    this.#timer = window.setTimeout(() => void this.#open(), pause);
  }

  #key(event: KeyboardEvent): void {
    const open = !this.#list.hidden;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        if (open) this.#activate(this.#active + (event.key === "ArrowDown" ? 1 : -1));
        else void this.#open();
        return;
      case "Enter": {
        const option = this.#shown[this.#active];
        if (!open || !option) return this.#close(); // and the form is sent
        event.preventDefault();
        return this.#choose(option);
      }
      case "Escape":
        if (!open) return;
        event.preventDefault();
        return this.#close();
    }
  }

  async #open(): Promise<void> {
    const text = this.#choice ? "" : this.input.value.trim();
    try {
      const found = await this.#latest.run((signal) => this.#options.suggest(text, signal));
      if (found) this.#show(found.value, `No team matches “${text}”`);
    } catch {
      // A typed name still works; what is wrong with the server is told when it is asked.
      this.#show([], "There are no suggestions right now");
    }
  }

  #show(options: readonly Option[], otherwise: string): void {
    this.#shown = options;
    this.#list.replaceChildren(
      ...options.map(({ name, detail }, i) =>
        h(
          "li",
          { id: `${this.#list.id}-${i}`, role: "option", "aria-selected": "false" },
          h("span", {}, name),
          " ",
          h("span", { class: "faint" }, detail),
        ),
      ),
    );
    if (options.length === 0) this.#list.append(h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, otherwise));
    this.#list.hidden = false;
    this.#list.scrollTop = 0;
    this.input.setAttribute("aria-expanded", "true");
    this.#activate(-1);
    this.#options.announce(options.length === 0 ? otherwise : `${options.length} ${options.length === 1 ? "team" : "teams"}`);
  }

  /** Moves to the option, around the ends; -1 is the input itself. */
  #activate(index: number): void {
    const count = this.#shown.length;
    this.#active = index < -1 ? count - 1 : index >= count ? -1 : index;
    for (const [i, item] of [...this.#list.children].entries()) {
      item.setAttribute("aria-selected", String(i === this.#active));
    }
    const item = this.#active < 0 ? undefined : this.#list.children[this.#active];
    if (!item) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  #clicked(event: MouseEvent): void {
    const item = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    const option = item ? this.#shown[[...this.#list.children].indexOf(item)] : undefined;
    if (option) this.#choose(option);
  }

  #choose(option: Option): void {
    this.fill(option);
    this.#options.chosen();
  }

  #close(): void {
    window.clearTimeout(this.#timer);
    this.#latest.cancel();
    this.#list.hidden = true;
    this.#active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
