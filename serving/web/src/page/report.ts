// A prediction on the page.

import { type Forecast, percent } from "../forecast.ts";
import { dayOf, kickoffOf, momentOf } from "./dates.ts";
import { h, styled } from "./dom.ts";
import { heatmap } from "./heatmap.ts";

/** Everything that is shown of a forecast. `eyebrow` is what stands above the teams, such as the league. */
export function report(forecast: Forecast, eyebrow: string): HTMLElement[] {
  const { home, away } = forecast;
  return [
    heading(forecast, eyebrow),
    ...notes(forecast),
    section("Who wins", "results", chances(forecast)),
    section("Every score", "scores", heatmap(forecast.grid, home.name, away.name)),
    h(
      "div",
      { class: "tiles" },
      h(
        "div",
        { class: "stack" },
        section("Expected goals", "tile", expected(forecast)),
        forecast.bothScore !== undefined && section("Both teams score", "tile", split(forecast.bothScore)),
      ),
      section("Likeliest scores", "tile", likeliest(forecast)),
      section("Goals in the match", "tile", totals(forecast)),
    ),
    provenance(forecast),
  ];
}

/** The answer in one sentence, for those who hear the page. */
export function summary({ home, away, results }: Forecast): string {
  const [homeWins, draw, awayWins] = results.map(({ percent }) => percent);
  return `${home.name} against ${away.name}: ${home.name} win ${homeWins}, draw ${draw}, ${away.name} win ${awayWins}.`;
}

function section(title: string, kind: string, ...content: HTMLElement[]): HTMLElement {
  return h("section", { class: `card ${kind}` }, h("h3", {}, title), ...content);
}

function heading({ home, away, kickoff, illustrative }: Forecast, eyebrow: string): HTMLElement {
  const when = kickoff && kickoffOf(kickoff);
  return h(
    "header",
    {},
    h(
      "p",
      { class: "eyebrow" },
      [eyebrow, when?.day, when?.time].filter(Boolean).join(" · "),
      illustrative && " ",
      illustrative && h("span", { class: "tag" }, "made-up fixture"),
    ),
    h("h2", { id: "title", tabindex: -1 }, home.name, h("span", { class: "against" }, " v "), away.name),
  );
}

function notes({ asOf, stale, degradations }: Forecast): HTMLElement[] {
  const texts = degradations.map(({ reason, detail }) => sentence(detail || reason));
  if (stale && asOf) {
    texts.unshift(
      `Stale: the latest results known are of ${dayOf(asOf)}. What happened since (matches, transfers, managers) is not in these figures.`,
    );
  }
  return texts.length === 0 ? [] : [h("ul", { class: "notes" }, ...texts.map((text) => h("li", {}, text)))];
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.?$/, ".")}`;
}

function chances({ home, away, results }: Forecast): HTMLElement {
  const names = { home: `${home.name} win`, draw: "Draw", away: `${away.name} win` };
  return h(
    "div",
    {},
    h(
      "div",
      { class: "bar", "aria-hidden": "true" },
      ...results.map(({ outcome, probability }) => styled(h("span", { class: outcome }), "--share", probability)),
    ),
    h(
      "dl",
      { class: "chances" },
      ...results.map(({ outcome, percent }) => h("div", { class: outcome }, h("dt", {}, names[outcome]), h("dd", {}, percent))),
    ),
  );
}

function expected({ home, away, goals }: Forecast): HTMLElement {
  return h(
    "dl",
    { class: "expected" },
    h("div", { class: "home" }, h("dt", {}, home.name), h("dd", {}, goals.home.toFixed(2))),
    h("div", { class: "away" }, h("dt", {}, away.name), h("dd", {}, goals.away.toFixed(2))),
  );
}

function likeliest({ likeliest }: Forecast): HTMLElement {
  return h(
    "ol",
    { class: "likeliest" },
    ...likeliest.map(({ score, probability }) => h("li", {}, h("span", {}, score), " ", h("span", {}, percent(probability)))),
  );
}

function totals({ totals }: Forecast): HTMLElement {
  return h(
    "dl",
    { class: "totals" },
    ...totals.map(({ line, over }) =>
      h(
        "div",
        {},
        h("dt", {}, `Over ${line.toFixed(1)}`),
        h("dd", {}, styled(h("span", { class: "meter", "aria-hidden": "true" }), "--share", over), h("span", {}, percent(over))),
      ),
    ),
  );
}

function split(yes: number): HTMLElement {
  return h(
    "div",
    {},
    h(
      "div",
      { class: "bar two", "aria-hidden": "true" },
      styled(h("span", { class: "yes" }), "--share", yes),
      styled(h("span", { class: "no" }), "--share", 1 - yes),
    ),
    h(
      "dl",
      { class: "chances" },
      h("div", {}, h("dt", {}, "Yes"), h("dd", {}, percent(yes))),
      h("div", {}, h("dt", {}, "No"), h("dd", {}, percent(1 - yes))),
    ),
  );
}

function provenance({ model, asOf, stale, cached, predictedAt }: Forecast): HTMLElement {
  const facts: [string, string][] = [["Model", `${model.name}, version ${model.version}`]];
  if (model.variant) facts.push(["Chosen as", model.variant]);
  if (asOf) facts.push(["Results known to", `${dayOf(asOf)}${stale ? " (stale)" : ""}`]);
  if (predictedAt) facts.push(["Answered", `${momentOf(predictedAt)}${cached ? ", from the cache" : ""}`]);
  return h("dl", { class: "provenance" }, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}
