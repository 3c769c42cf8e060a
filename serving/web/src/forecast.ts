// What a prediction says, ready to be shown: pure arithmetic, no page.

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { FeatureStatus } from "./gen/footballprediction/v1/feature_pb.ts";
import type { Team } from "./gen/footballprediction/v1/match_pb.ts";
import { Market, type Prediction, PredictionSource, type Selection } from "./gen/footballprediction/v1/prediction_pb.ts";

export type Outcome = "home" | "draw" | "away";

export interface Forecast {
  readonly home: Team;
  readonly away: Team;
  /** football-data code of the league. */
  readonly competition: string;
  readonly kickoff: Date | undefined;
  readonly illustrative: boolean;
  /** Home, draw, away; the percentages sum to 100.0. */
  readonly results: readonly { readonly outcome: Outcome; readonly probability: number; readonly percent: string }[];
  readonly goals: { readonly home: number; readonly away: number };
  /** 11 × 11 probabilities: grid[home goals][away goals]. */
  readonly grid: readonly (readonly number[])[];
  readonly likeliest: readonly { readonly score: string; readonly probability: number }[];
  /** That more goals fall than the line says. */
  readonly totals: readonly { readonly line: number; readonly over: number }[];
  readonly bothScore: number | undefined;
  readonly model: { readonly name: string; readonly version: string; readonly variant: string };
  readonly asOf: Date | undefined;
  readonly stale: boolean;
  readonly cached: boolean;
  readonly predictedAt: Date | undefined;
  readonly degradations: readonly { readonly reason: string; readonly detail: string }[];
}

/** Goals of one side on the server's grid: 0 to 10. */
const sides = 11;

/** Reads a prediction; throws where it lacks what every prediction has. */
export function read(prediction: Prediction | undefined): Forecast {
  const { match, matchResult, expectedGoals, model } = prediction ?? {};
  if (!prediction || !match?.homeTeam || !match.awayTeam || !matchResult || !expectedGoals || !model) {
    throw new Error("the server's answer is incomplete");
  }
  const selections = (market: Market) => prediction.markets.find((m) => m.market === market)?.selections ?? [];
  const chances: [Outcome, number][] = [
    ["home", matchResult.homeProbability],
    ["draw", matchResult.drawProbability],
    ["away", matchResult.awayProbability],
  ];
  const percents = wholeTenths(chances.map(([, probability]) => probability));
  const grid = toGrid(selections(Market.CORRECT_SCORE));
  return {
    home: match.homeTeam,
    away: match.awayTeam,
    competition: match.competition,
    kickoff: match.kickoff && timestampDate(match.kickoff),
    illustrative: match.illustrative,
    results: chances.map(([outcome, probability], i) => ({ outcome, probability, percent: `${percents[i]}%` })),
    goals: { home: expectedGoals.home, away: expectedGoals.away },
    grid,
    likeliest: likeliest(grid, 5),
    totals: selections(Market.TOTAL_GOALS)
      .filter((s) => s.name === "over" && s.line !== undefined && s.line % 1 === 0.5)
      .map((s) => ({ line: s.line ?? 0, over: s.probability })),
    bothScore: selections(Market.BOTH_TEAMS_TO_SCORE).find((s) => s.name === "yes")?.probability,
    model: { name: model.name, version: model.version, variant: model.variant },
    asOf: prediction.featuresAsOf && timestampDate(prediction.featuresAsOf),
    stale: prediction.featureStatus === FeatureStatus.STALE,
    cached: prediction.source === PredictionSource.CACHE,
    predictedAt: prediction.predictedAt && timestampDate(prediction.predictedAt),
    degradations: prediction.degradations.map(({ reason, detail }) => ({ reason, detail })),
  };
}

/** The percentages to one decimal, rounded so that together they are exactly 100.0. */
export function wholeTenths(probabilities: readonly number[]): string[] {
  const exact = probabilities.map((p) => p * 1000);
  const tenths = exact.map(Math.floor);
  const missing = 1000 - tenths.reduce((sum, t) => sum + t, 0);
  const byRemainder = exact.map((x, i) => [x - Math.floor(x), i] as const).sort(([a], [b]) => b - a);
  for (const [, i] of byRemainder.slice(0, Math.max(0, missing))) tenths[i] = (tenths[i] ?? 0) + 1;
  return tenths.map((t) => (t / 10).toFixed(1));
}

function toGrid(scores: readonly Selection[]): number[][] {
  const grid = Array.from({ length: sides }, () => new Array<number>(sides).fill(0));
  for (const { name, probability } of scores) {
    const [home, away] = name.split("-").map(Number);
    const row = grid[home ?? -1];
    if (row && away !== undefined && away in row) row[away] = probability;
  }
  return grid;
}

function likeliest(grid: readonly (readonly number[])[], count: number): { score: string; probability: number }[] {
  return grid
    .flatMap((row, home) => row.map((probability, away) => ({ score: `${home}–${away}`, probability })))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, count);
}

/** The grid with all that lies beyond `last` goals added to the row and column of `last`. */
export function fold(grid: readonly (readonly number[])[], last: number): number[][] {
  const folded = Array.from({ length: last + 1 }, () => new Array<number>(last + 1).fill(0));
  grid.forEach((row, home) =>
    row.forEach((probability, away) => {
      const to = folded[Math.min(home, last)];
      if (to) to[Math.min(away, last)] = (to[Math.min(away, last)] ?? 0) + probability;
    }),
  );
  return folded;
}

/** A probability as people read it: "47.3%", and never a bare 0 for what can happen. */
export function percent(probability: number): string {
  if (probability > 0 && probability < 0.0005) return "<0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}
