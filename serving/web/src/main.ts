// The page: a form and a list that ask, and a report that answers.

import { matches, predictions } from "./client.ts";
import { explain, type Failure } from "./failure.ts";
import { competitions, type FixturePage, Fixtures } from "./fixtures.ts";
import { type Forecast, read } from "./forecast.ts";
import type { Match, Team } from "./gen/footballprediction/v1/match_pb.ts";
import { Latest } from "./latest.ts";
import { calendar, mark } from "./page/calendar.ts";
import { Combobox, type Option } from "./page/combobox.ts";
import { inputDay } from "./page/dates.ts";
import { byId, h } from "./page/dom.ts";
import { report, summary } from "./page/report.ts";
import { fromAddress, type Question, toAddress, toRequest } from "./question.ts";
import * as teams from "./teams.ts";

const form = byId("ask", HTMLFormElement);
const date = byId("date", HTMLInputElement);
const failure = byId("failure", HTMLElement);
const answer = byId("report", HTMLElement);
const status = byId("status", HTMLElement);
const list = byId("fixtures", HTMLElement);
const competition = byId("competition", HTMLSelectElement);
const earlier = byId("earlier", HTMLButtonElement);
const later = byId("later", HTMLButtonElement);

const home = teamBox("home");
const away = teamBox("away");
const leagues = new Map<string, string>();
const leagueOf = (code: string) => leagues.get(code) ?? code;
const asking = new Latest();
const listing = new Latest();
const fixtures = new Fixtures(matches);
const title = document.title;
let next: Match | undefined; // what a page that nobody asked anything shows

/** Where a question comes from decides what the page does about it. */
type Origin = "form" | "list" | "address" | "suggestion of the page";

function teamBox(id: "home" | "away"): Combobox {
  return new Combobox({
    input: byId(id, HTMLInputElement),
    suggest: async (text, signal) => (await teams.suggest(matches, text, signal)).map(optionOf),
    chosen: () => home.value && away.value && askByForm(),
    announce,
  });
}

function optionOf(team: Team): Option {
  return { id: team.teamId, name: team.name, detail: `${leagueOf(team.competition)}, ${team.country}` };
}

function announce(text: string): void {
  status.textContent = text;
}

function askByForm(): void {
  void ask({ kind: "pairing", home: home.value, away: away.value, date: date.value }, "form");
}

/** Asks a question and shows what comes of it, unless a newer question was asked meanwhile. */
async function ask(question: Question, origin: Origin): Promise<void> {
  if (origin === "form" || origin === "list") remember(question);
  mark(list, question.kind === "match" ? question.matchId : undefined);
  answer.setAttribute("aria-busy", "true");
  try {
    const got = await asking.run(async (signal) => read((await predictions.predict(toRequest(question), { signal })).prediction));
    if (!got) return;
    clearFailure();
    show(got.value, question, origin);
  } catch (error) {
    showFailure(explain(error), question);
  }
  answer.setAttribute("aria-busy", "false");
}

function remember(question: Question): void {
  const address = toAddress(question);
  if (address !== location.search) history.pushState(null, "", address);
}

function show(forecast: Forecast, question: Question, origin: Origin): void {
  const unasked = origin === "suggestion of the page";
  answer.replaceChildren(...report(forecast, `${unasked ? "Next match · " : ""}${leagueOf(forecast.competition)}`));
  if (unasked) return;
  document.title = `${forecast.home.name} – ${forecast.away.name} · footballprediction`;
  announce(summary(forecast));
  if (origin !== "form") {
    home.fill(optionOf(forecast.home));
    away.fill(optionOf(forecast.away));
    date.value = question.kind === "pairing" ? question.date : forecast.kickoff ? inputDay(forecast.kickoff) : "";
  }
  if (origin === "list") document.getElementById("title")?.focus(); // which scrolls to it where it is out of sight
}

function clearFailure(): void {
  failure.replaceChildren();
  for (const input of [home.input, away.input, date]) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
}

function showFailure({ message, field, suggestions, retry }: Failure, question: Question): void {
  const focused = failure.contains(document.activeElement);
  clearFailure();
  if (question.kind === "pairing") {
    if (!home.value) home.fill(question.home);
    if (!away.value) away.fill(question.away);
    date.value = question.date;
  }
  const input = field && { home: home.input, away: away.input, date }[field];
  input?.setAttribute("aria-invalid", "true");
  input?.setAttribute("aria-describedby", failure.id);
  failure.append(h("p", {}, message));
  if (retry) {
    const again = button("Try again", () => void ask(question, "list"));
    failure.append(again);
    if (focused) again.focus();
  }
  if (suggestions.length > 0 && (field === "home" || field === "away")) void offer(suggestions, field, question);
}

/** Adds the teams that may have been meant to the failure, as buttons that ask again. */
async function offer(ids: readonly string[], field: "home" | "away", question: Question): Promise<void> {
  try {
    const found = await asking.run((signal) => teams.byId(matches, ids, signal));
    if (!found || found.value.length === 0) return;
    const buttons = found.value.map((team) =>
      button(`${team.name}, ${team.country}`, () => {
        const box = field === "home" ? home : away;
        box.fill(optionOf(team));
        box.input.focus(); // for the button is about to go
        askByForm();
      }),
    );
    failure.append(h("p", { class: "offers" }, "Did you mean ", ...buttons));
  } catch (error) {
    showFailure(explain(error), question);
  }
}

function button(text: string, pressed: () => void): HTMLButtonElement {
  const element = h("button", { type: "button", class: "quiet" }, text);
  element.addEventListener("click", pressed);
  return element;
}

/** Loads a page of the list and shows it, unless another was asked for meanwhile. */
async function turn(load: (signal: AbortSignal) => Promise<FixturePage>): Promise<FixturePage | undefined> {
  list.setAttribute("aria-busy", "true");
  try {
    const got = await listing.run(load);
    if (!got) return undefined;
    showList(got.value);
    list.setAttribute("aria-busy", "false");
    return got.value;
  } catch (error) {
    list.replaceChildren(h("p", { role: "alert" }, explain(error).message), button("Try again", () => void turn(load)));
    list.setAttribute("aria-busy", "false");
    return undefined;
  }
}

function showList(page: FixturePage): void {
  list.replaceChildren(...calendar(page, leagueOf));
  const question = fromAddress(location.search);
  mark(list, question?.kind === "match" ? question.matchId : undefined);
  byId("page-number", HTMLElement).textContent = `Page ${page.number}`;
  const focused = document.activeElement;
  earlier.disabled = !page.earlier;
  later.disabled = !page.later;
  if (focused === earlier && earlier.disabled) later.focus();
  if (focused === later && later.disabled) earlier.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  askByForm();
});

byId("swap", HTMLButtonElement).addEventListener("click", () => {
  const [former, latter] = [home.content, away.content];
  home.fill(latter);
  away.fill(former);
  if (home.value && away.value) askByForm();
});

list.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest<HTMLElement>("a[data-match]") : null;
  const matchId = link?.dataset["match"];
  if (!matchId || event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab is the browser's business
  event.preventDefault();
  void ask({ kind: "match", matchId }, "list");
});

competition.addEventListener("change", () => void turn((signal) => fixtures.first(competition.value, signal)));
earlier.addEventListener("click", () => void turn((signal) => fixtures.earlier(signal)));
later.addEventListener("click", () => void turn((signal) => fixtures.later(signal)));

window.addEventListener("popstate", answerAddress);

/** Asks what the address asks, or else of the match that is next. */
function answerAddress(): void {
  const question = fromAddress(location.search);
  if (question) return void ask(question, "address");
  home.fill("");
  away.fill("");
  date.value = "";
  document.title = title;
  if (next) void ask({ kind: "match", matchId: next.matchId }, "suggestion of the page");
}

async function start(): Promise<void> {
  try {
    for (const { code, name, country } of await competitions(matches)) {
      leagues.set(code, name);
      competition.append(h("option", { value: code }, `${name} (${country})`));
    }
  } catch {
    // Codes then stand for names, and the list below says what is wrong.
  }
  if (fromAddress(location.search)) answerAddress();
  const page = await turn((signal) => fixtures.first("", signal));
  next = page?.matches[0];
  if (next && !fromAddress(location.search)) void ask({ kind: "match", matchId: next.matchId }, "suggestion of the page");
}

void start();
