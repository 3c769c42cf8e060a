// Teams to choose from.

import type { Client } from "@connectrpc/connect";
import type { MatchService, Team } from "./gen/footballprediction/v1/match_pb.ts";

type Matches = Client<typeof MatchService>;

/** Teams whose name or alias holds the text, those that begin with it first. */
export async function suggest(matches: Matches, text: string, signal: AbortSignal): Promise<Team[]> {
  const { teams } = await matches.listTeams({ query: text, pageSize: 50 }, { signal });
  const rank = ranking(text);
  return teams.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en"));
}

/** 0 where the name begins with the text, 1 where a word of it does, else 2 (as aliases do). */
function ranking(text: string): (team: Team) => number {
  const wanted = plain(text);
  return ({ name }) => {
    const have = plain(name);
    return have.startsWith(wanted) ? 0 : have.includes(` ${wanted}`) ? 1 : 2;
  };
}

/** Lower case without accents. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{Mark}/gu, "").toLowerCase().trim();
}

/** The teams with these ids, in this order; ids that no team has are left out. */
export async function byId(matches: Matches, ids: readonly string[], signal: AbortSignal): Promise<Team[]> {
  const known = new Map<string, Team>();
  let pageToken = "";
  do {
    const page = await matches.listTeams({ pageSize: 1000, pageToken }, { signal });
    for (const team of page.teams) known.set(team.teamId, team);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return ids.flatMap((id) => known.get(id) ?? []);
}
