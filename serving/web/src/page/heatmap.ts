// The score grid as a heat map: hue says who wins, depth how likely the score is.

import { fold } from "../forecast.ts";
import { h } from "./dom.ts";

/** From which probability on a cell has the next depth of colour; the same for every match. */
export const depths = [0.005, 0.01, 0.02, 0.04, 0.06, 0.09, 0.12] as const;

/** Goals up to which a narrow screen shows each score by itself; the last row and column hold the rest. */
const narrowLast = 6;

/** Draws the grid, probabilities by home and away goals, and draws it again when the screen's width asks for it. */
export function heatmap(grid: readonly (readonly number[])[], home: string, away: string): HTMLElement {
  const map = h("figure", { class: "heatmap" });
  const narrow = window.matchMedia("(max-width: 46rem)");
  const draw = () => {
    const folded = narrow.matches && grid.length > narrowLast + 1;
    map.replaceChildren(
      table(folded ? fold(grid, narrowLast) : grid, folded, home, away),
      legend(home, away),
    );
  };
  draw();
  narrow.addEventListener("change", function redraw() {
    if (map.isConnected) draw();
    else narrow.removeEventListener("change", redraw);
  });
  return map;
}

function table(grid: readonly (readonly number[])[], folded: boolean, home: string, away: string): HTMLTableElement {
  const last = grid.length - 1;
  const label = (goals: number) => (folded && goals === last ? `${goals}+` : String(goals));
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, `Probability of every score in percent; rows are goals of ${home}, columns goals of ${away}`),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("td", { class: "corner", colspan: 2, rowspan: 2 }),
        h("th", { class: "side away", scope: "colgroup", colspan: grid.length }, `${away} goals`),
      ),
      h("tr", {}, ...grid.map((_, goals) => h("th", { scope: "col" }, label(goals)))),
    ),
    h(
      "tbody",
      {},
      ...grid.map((row, homeGoals) =>
        h(
          "tr",
          {},
          homeGoals === 0 && h("th", { class: "side home", scope: "rowgroup", rowspan: grid.length }, h("span", {}, `${home} goals`)),
          h("th", { scope: "row" }, label(homeGoals)),
          ...row.map((probability, awayGoals) =>
            h(
              "td",
              {
                class: `cell ${winner(homeGoals, awayGoals, folded, last)} depth-${depth(probability)}`,
                title: `${home} ${label(homeGoals)}–${label(awayGoals)} ${away}: ${(probability * 100).toFixed(2)}%`,
              },
              ...figure(probability),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A percentage; what rounds to nothing is seen as a dot, so that the rest stands out, and heard as 0.0. */
function figure(probability: number): (string | HTMLElement)[] {
  const text = (probability * 100).toFixed(1);
  if (text !== "0.0") return [text];
  return [h("span", { "aria-hidden": "true" }, "·"), h("span", { class: "unseen" }, text)];
}

/** Who wins by the score; where both sides' goals are "6+", all three results fall into the cell. */
function winner(home: number, away: number, folded: boolean, last: number): string {
  if (home === away) return folded && home === last ? "any" : "draw";
  return home > away ? "home" : "away";
}

/** How deep the colour is: 0 (next to none) to 7. */
export function depth(probability: number): number {
  return depths.filter((from) => probability >= from).length;
}

function legend(home: string, away: string): HTMLElement {
  const scale = (outcome: string, text: string) =>
    h("span", { class: "key" }, h("span", { class: `swatch cell ${outcome} depth-6` }), text);
  return h(
    "figcaption",
    {},
    scale("home", `${home} win`),
    scale("draw", "Draw"),
    scale("away", `${away} win`),
    h("span", { class: "key" }, "Percent; the stronger the colour, the likelier"),
  );
}
