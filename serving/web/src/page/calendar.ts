// The list of upcoming matches.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { FixturePage } from "../fixtures.ts";
import type { Match } from "../gen/footballprediction/v1/match_pb.ts";
import { toAddress } from "../question.ts";
import { kickoffOf } from "./dates.ts";
import { h } from "./dom.ts";

/** A page of matches under their days. Each is a link that asks for it; data-match holds its id. */
export function calendar(page: FixturePage, leagueOf: (code: string) => string): HTMLElement[] {
  if (page.matches.length === 0) return [h("p", { class: "faint" }, "No upcoming matches are known.")];
  const days = new Map<string, HTMLElement[]>();
  for (const match of page.matches) {
    const { day, time } = match.kickoff ? kickoffOf(timestampDate(match.kickoff)) : { day: "Date not known", time: "" };
    const items = days.get(day) ?? [];
    days.set(day, [...items, entry(match, time, leagueOf(match.competition))]);
  }
  return [
    ...(page.matches.some((match) => match.illustrative)
      ? [h("p", { class: "note" }, "No real fixture list is known here. Matches marked “made up” are invented pairings of real teams.")]
      : []),
    ...[...days].flatMap(([day, items]) => [h("h3", {}, day), h("ul", {}, ...items)]),
  ];
}

function entry(match: Match, time: string, league: string): HTMLElement {
  return h(
    "li",
    {},
    h(
      "a",
      { href: toAddress({ kind: "match", matchId: match.matchId }), "data-match": match.matchId },
      h("span", { class: "teams" }, h("span", {}, match.homeTeam?.name ?? ""), h("span", { class: "against" }, " v "), h("span", {}, match.awayTeam?.name ?? "")),
      " ",
      h(
        "span",
        { class: "faint" },
        [time, league].filter(Boolean).join(" · "),
        match.illustrative && " ",
        match.illustrative && h("span", { class: "tag" }, "made up"),
      ),
    ),
  );
}

/** Marks the match that is shown, so that the list says where one is. */
export function mark(list: HTMLElement, matchId: string | undefined): void {
  for (const link of list.querySelectorAll<HTMLElement>("a[data-match]")) {
    if (link.dataset["match"] === matchId) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
