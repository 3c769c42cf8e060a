// Errors in plain words.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.ts";

export type Field = "home" | "away" | "date";

export interface Failure {
  /** For the person at the page. */
  readonly message: string;
  /** What to correct, where the server says so. */
  readonly field?: Field;
  /** Ids of teams that may have been meant. */
  readonly suggestions: readonly string[];
  /** Whether asking again may help. */
  readonly retry: boolean;
}

const fields: Record<string, Field> = {
  "pairing.home_team": "home",
  "pairing.away_team": "away",
  "pairing.date": "date",
};

/** What went wrong, from whatever a call threw. */
export function explain(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema)[0];
  const violations = error.findDetails(BadRequestSchema).flatMap((details) => details.fieldViolations);
  const field = violations.map((violation) => fields[violation.field]).find((known) => known !== undefined);
  const suggestions = (info?.metadata["suggestions"] ?? "").split(",").filter((id) => id !== "");
  const [message, retry] = words(error, info?.reason ?? "", info?.metadata ?? {}, field);
  return { message, suggestions, retry, ...(field && { field }) };
}

function words(
  error: ConnectError,
  reason: string,
  metadata: Record<string, string>,
  field: Field | undefined,
): [message: string, retry: boolean] {
  switch (reason) {
    case "TEAM_UNKNOWN":
      return [`No team is known as “${metadata["team"] ?? ""}”.`, false];
    case "MATCH_UNKNOWN":
      return ["This match is not in the list of matches. It may have been played or moved.", false];
    case "SAME_TEAM_TWICE":
      return ["A team cannot play itself. Choose two different teams.", false];
    case "DATE_BEFORE_HISTORY":
      return ["This date is not after the latest results that are known. Choose a later one, or none for today.", false];
    case "FEATURES_NOT_KEPT":
      return ["This match is over, and what was known before it was not kept.", false];
    case "MODEL_NOT_READY":
      return ["No model is ready to answer yet. Try again in a moment.", true];
    case "SHUTTING_DOWN":
      return ["The server is restarting. Try again in a moment.", true];
  }
  if (reason === "FIELD_INVALID" && field === "date") return ["This is not a date that the server understands.", false];
  if (error.cause instanceof TypeError) return ["The server cannot be reached. Is it running, and are you online?", true]; // fetch says so
  switch (error.code) {
    case Code.ResourceExhausted:
      return ["The server has too much to do. Try again in a moment.", true];
    case Code.DeadlineExceeded:
      return ["The server took too long to answer.", true];
    case Code.Unavailable:
      return ["The server is not available. Try again in a moment.", true];
  }
  return [`The server could not answer: ${error.rawMessage}.`, true];
}
