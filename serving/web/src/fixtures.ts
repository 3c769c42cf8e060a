// Upcoming matches, a page at a time.

import type { Client } from "@connectrpc/connect";
import { type Competition, type Match, type MatchService, MatchStatus } from "./gen/footballprediction/v1/match_pb.ts";

type Matches = Client<typeof MatchService>;

/** Every competition, by country and tier. */
export async function competitions(matches: Matches): Promise<Competition[]> {
  const all: Competition[] = [];
  let pageToken = "";
  do {
    const page = await matches.listCompetitions({ pageSize: 1000, pageToken });
    all.push(...page.competitions);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return all.sort((a, b) => a.country.localeCompare(b.country, "en") || a.tier - b.tier);
}

export interface FixturePage {
  readonly matches: readonly Match[];
  /** From 1. */
  readonly number: number;
  readonly earlier: boolean;
  readonly later: boolean;
}

/** Where a page is to be looked for. The server's tokens lead forward only, so those passed are kept. */
export interface Place {
  /** football-data code; empty means all. */
  readonly competition: string;
  /** Of this page and those before it; the first page's is empty. */
  readonly tokens: readonly string[];
}

/** Pages through matches that have not begun. A failed step leaves it where it was. */
export class Fixtures {
  static readonly pageSize = 10;
  readonly #matches: Matches;
  readonly #today: () => Date;
  #place: Place = { competition: "", tokens: [""] };
  #next = "";

  constructor(matches: Matches, today: () => Date = () => new Date()) {
    this.#matches = matches;
    this.#today = today;
  }

  first(competition: string, signal: AbortSignal): Promise<FixturePage> {
    return this.#load({ competition, tokens: [""] }, signal);
  }

  later(signal: AbortSignal): Promise<FixturePage> {
    return this.#load({ ...this.#place, tokens: [...this.#place.tokens, this.#next] }, signal);
  }

  earlier(signal: AbortSignal): Promise<FixturePage> {
    return this.#load({ ...this.#place, tokens: this.#place.tokens.slice(0, -1) }, signal);
  }

  async #load(place: Place, signal: AbortSignal): Promise<FixturePage> {
    const page = await this.#matches.listMatches(
      {
        competition: place.competition,
        from: this.#today().toISOString().slice(0, 10),
        status: MatchStatus.SCHEDULED,
        pageSize: Fixtures.pageSize,
        pageToken: place.tokens.at(-1) ?? "",
      },
      { signal },
    );
    this.#place = place;
    this.#next = page.nextPageToken;
    return {
      matches: page.matches,
      number: place.tokens.length,
      earlier: place.tokens.length > 1,
      later: page.nextPageToken !== "",
    };
  }
}
