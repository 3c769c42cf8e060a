// What is asked of the server, and how the page's address says it, so that a prediction can be
// shared, reloaded and found again by the back button.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Market, type PredictRequestSchema } from "./gen/footballprediction/v1/prediction_pb.ts";

export type Question =
  | { readonly kind: "match"; readonly matchId: string }
  | {
      readonly kind: "pairing";
      /** Id, name or alias, as the server takes them. */
      readonly home: string;
      readonly away: string;
      /** YYYY-MM-DD; empty means today. */
      readonly date: string;
    };

/** Reads the query part of an address; undefined where it asks nothing. */
export function fromAddress(search: string): Question | undefined {
  const query = new URLSearchParams(search);
  const matchId = query.get("match");
  if (matchId) return { kind: "match", matchId };
  const home = query.get("home");
  const away = query.get("away");
  if (home && away) return { kind: "pairing", home, away, date: query.get("date") ?? "" };
  return undefined;
}

/** The query part of the address that fromAddress reads as the question. */
export function toAddress(question: Question): string {
  if (question.kind === "match") return `?${new URLSearchParams({ match: question.matchId })}`;
  const query = new URLSearchParams({ home: question.home, away: question.away });
  if (question.date) query.set("date", question.date);
  return `?${query}`;
}

/** The request, with every market that the page shows. */
export function toRequest(question: Question): MessageInitShape<typeof PredictRequestSchema> {
  return {
    target:
      question.kind === "match"
        ? { case: "matchId", value: question.matchId }
        : { case: "pairing", value: { homeTeam: question.home, awayTeam: question.away, date: question.date } },
    markets: [Market.TOTAL_GOALS, Market.BOTH_TEAMS_TO_SCORE, Market.CORRECT_SCORE],
  };
}
