// What needs no server: arithmetic, addresses, and who comes last.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { fold, percent, read, wholeTenths } from "../src/forecast.ts";
import { FeatureStatus } from "../src/gen/footballprediction/v1/feature_pb.ts";
import { Market, PredictionSchema, PredictionSource } from "../src/gen/footballprediction/v1/prediction_pb.ts";
import { Latest } from "../src/latest.ts";
import { depth, depths } from "../src/page/heatmap.ts";
import { fromAddress, type Question, toAddress } from "../src/question.ts";

test("percentages are rounded so that they sum to 100.0", () => {
  for (const [probabilities, want] of [
    [[0.4730287947, 0.2723241665, 0.2546470387], ["47.3", "27.2", "25.5"]],
    [[1 / 3, 1 / 3, 1 / 3], ["33.4", "33.3", "33.3"]],
    [[0.33349, 0.33349, 0.33302], ["33.4", "33.3", "33.3"]],
    [[1, 0, 0], ["100.0", "0.0", "0.0"]],
    [[0.99996, 0.00002, 0.00002], ["100.0", "0.0", "0.0"]],
  ] as const) {
    assert.deepEqual(wholeTenths(probabilities), want);
  }
});

test("what can happen is never 0%", () => {
  for (const [probability, want] of [
    [0, "0.0%"],
    [0.0000001, "<0.1%"],
    [0.00049, "<0.1%"],
    [0.0005, "0.1%"],
    [0.4568, "45.7%"],
    [1, "100.0%"],
  ] as const) {
    assert.equal(percent(probability), want);
  }
});

test("a folded grid loses nothing", () => {
  const grid = Array.from({ length: 11 }, (_, home) => Array.from({ length: 11 }, (_, away) => home * 11 + away));
  const folded = fold(grid, 6);
  assert.equal(folded.length, 7);
  assert.equal(folded[5]?.[5], 60);
  assert.equal(folded[0]?.[6], 6 + 7 + 8 + 9 + 10);
  const sum = (cells: number[][]) => cells.flat().reduce((total, cell) => total + cell, 0);
  assert.equal(sum(folded), sum(grid));
});

test("depths grow with the probability", () => {
  assert.equal(depth(0), 0);
  assert.equal(depth(0.0049), 0);
  assert.equal(depth(1), depths.length);
  depths.forEach((from, i) => assert.equal(depth(from), i + 1));
});

test("a prediction is read whole", () => {
  const prediction = create(PredictionSchema, {
    match: {
      homeTeam: { teamId: "eng-arsenal", name: "Arsenal" },
      awayTeam: { teamId: "eng-chelsea", name: "Chelsea" },
      competition: "E0",
      kickoff: timestampFromDate(new Date("2026-12-05T15:00:00Z")),
      illustrative: true,
    },
    matchResult: { homeProbability: 0.5, drawProbability: 0.3, awayProbability: 0.2 },
    expectedGoals: { home: 1.5, away: 1 },
    markets: [
      { market: Market.CORRECT_SCORE, selections: [{ name: "2-1", probability: 0.7 }, { name: "0-10", probability: 0.3 }] },
      { market: Market.TOTAL_GOALS, selections: [{ name: "over", line: 2.5, probability: 0.6 }, { name: "under", line: 2.5, probability: 0.4 }] },
      { market: Market.BOTH_TEAMS_TO_SCORE, selections: [{ name: "yes", probability: 0.55 }, { name: "no", probability: 0.45 }] },
    ],
    model: { name: "match-outcome", version: "2", variant: "champion" },
    featuresAsOf: timestampFromDate(new Date("2025-05-25T00:00:00Z")),
    featureStatus: FeatureStatus.STALE,
    source: PredictionSource.CACHE,
    degradations: [{ reason: "RATINGS_NOT_LINKED", detail: "two countries" }],
  });
  const forecast = read(prediction);
  assert.deepEqual(forecast.results.map(({ percent }) => percent), ["50.0%", "30.0%", "20.0%"]);
  assert.equal(forecast.grid[2]?.[1], 0.7);
  assert.equal(forecast.grid[0]?.[10], 0.3);
  assert.deepEqual(forecast.grid.map((row) => row.length), new Array(11).fill(11));
  assert.deepEqual(forecast.likeliest.slice(0, 2), [{ score: "2–1", probability: 0.7 }, { score: "0–10", probability: 0.3 }]);
  assert.deepEqual(forecast.totals, [{ line: 2.5, over: 0.6 }]);
  assert.equal(forecast.bothScore, 0.55);
  assert.ok(forecast.stale && forecast.cached && forecast.illustrative);
  assert.equal(forecast.asOf?.toISOString(), "2025-05-25T00:00:00.000Z");
  assert.throws(() => read(undefined), /incomplete/);
  assert.throws(() => read(create(PredictionSchema, { match: prediction.match })), /incomplete/);
});

test("an address says a question, and nothing else does", () => {
  for (const question of [
    { kind: "match", matchId: "E0-20261205-arsenal-chelsea" },
    { kind: "pairing", home: "eng-arsenal", away: "Brighton & Hove=?#", date: "2026-12-05" },
    { kind: "pairing", home: "Málaga", away: "Alavés", date: "" },
  ] satisfies Question[]) {
    assert.deepEqual(fromAddress(toAddress(question)), question);
  }
  for (const address of ["", "?", "?home=Arsenal", "?away=Chelsea&date=2026-12-05", "?match=", "?other=1"]) {
    assert.equal(fromAddress(address), undefined, address);
  }
});

test("only the latest task counts", async () => {
  const latest = new Latest();
  let answer = (_: string) => {};
  let abandoned: AbortSignal | undefined;
  const superseded = latest.run((signal) => {
    abandoned = signal;
    return new Promise<string>((resolve) => (answer = resolve));
  });
  const failing = latest.run(() => Promise.reject(new Error("its error is nobody's business either")));
  const newest = latest.run(async () => "newest");
  answer("late");
  assert.ok(abandoned?.aborted);
  assert.equal(await superseded, undefined);
  assert.equal(await failing, undefined);
  assert.deepEqual(await newest, { value: "newest" });
  await assert.rejects(latest.run(() => Promise.reject(new Error("of the latest"))), /of the latest/);
});
