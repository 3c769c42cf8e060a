// The page's calls, against handlers in this process: no network, the real client and its errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { explain } from "../src/failure.ts";
import { competitions, Fixtures } from "../src/fixtures.ts";
import { MatchService, MatchStatus } from "../src/gen/footballprediction/v1/match_pb.ts";
import { Market, PredictionService } from "../src/gen/footballprediction/v1/prediction_pb.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import { toRequest } from "../src/question.ts";
import { byId, suggest } from "../src/teams.ts";

const never = new AbortController().signal;

function matchesOf(implementation: Partial<ServiceImpl<typeof MatchService>>) {
  return createClient(MatchService, createRouterTransport(({ service }) => service(MatchService, implementation)));
}

function predictionsOf(implementation: Partial<ServiceImpl<typeof PredictionService>>) {
  return createClient(PredictionService, createRouterTransport(({ service }) => service(PredictionService, implementation)));
}

test("suggestions begin with what was typed, then hold it", async () => {
  const matches = matchesOf({
    listTeams({ query, pageSize }) {
      assert.deepEqual([query, pageSize], ["ma", 50]);
      return { teams: ["Bergamo", "Le Mans", "Man United", "Málaga", "Numancia"].map((name) => ({ name })) };
    },
  });
  const names = (await suggest(matches, "ma", never)).map(({ name }) => name);
  assert.deepEqual(names, ["Málaga", "Man United", "Le Mans", "Bergamo", "Numancia"]);
});

test("teams are found by id on every page", async () => {
  const pages = [["eng-arsenal", "eng-chelsea"], ["fra-nancy"]];
  const matches = matchesOf({
    listTeams: ({ pageToken }) => ({
      teams: pages[Number(pageToken)]?.map((teamId) => ({ teamId })) ?? [],
      nextPageToken: pageToken === "" ? "1" : "",
    }),
  });
  const found = await byId(matches, ["fra-nancy", "xyz-nobody", "eng-arsenal"], never);
  assert.deepEqual(found.map(({ teamId }) => teamId), ["fra-nancy", "eng-arsenal"]);
});

test("competitions are read to the last page, by country and tier", async () => {
  const matches = matchesOf({
    listCompetitions: ({ pageToken }) =>
      pageToken === ""
        ? { competitions: [{ code: "SP1", country: "Spain", tier: 1 }, { code: "E1", country: "England", tier: 2 }], nextPageToken: "2" }
        : { competitions: [{ code: "E0", country: "England", tier: 1 }] },
  });
  assert.deepEqual((await competitions(matches)).map(({ code }) => code), ["E0", "E1", "SP1"]);
});

test("fixtures are paged forth and back, and a failed step goes nowhere", async () => {
  let broken = false;
  const matches = matchesOf({
    listMatches({ competition, from, status, pageToken, pageSize }) {
      if (broken) throw new ConnectError("out of order", Code.Unavailable);
      assert.deepEqual([from, status, pageSize], ["2026-11-22", MatchStatus.SCHEDULED, Fixtures.pageSize]);
      const page = Number(pageToken || "1");
      return { matches: [{ matchId: `${competition || "all"}-${page}` }], nextPageToken: page < 3 ? String(page + 1) : "" };
    },
  });
  const fixtures = new Fixtures(matches, () => new Date("2026-11-22T23:59:59Z"));
  const seen = async (page: ReturnType<Fixtures["first"]>) => {
    const { matches, number, earlier, later } = await page;
    return [matches[0]?.matchId, number, earlier, later];
  };
  assert.deepEqual(await seen(fixtures.first("", never)), ["all-1", 1, false, true]);
  assert.deepEqual(await seen(fixtures.later(never)), ["all-2", 2, true, true]);
  broken = true;
  await assert.rejects(fixtures.later(never));
  broken = false;
  assert.deepEqual(await seen(fixtures.later(never)), ["all-3", 3, true, false]);
  assert.deepEqual(await seen(fixtures.earlier(never)), ["all-2", 2, true, true]);
  assert.deepEqual(await seen(fixtures.first("E0", never)), ["E0-1", 1, false, true]);
  assert.deepEqual(await seen(fixtures.later(never)), ["E0-2", 2, true, true]);
});

test("a question becomes a request", async () => {
  const asked: unknown[] = [];
  const predictions = predictionsOf({
    predict(request) {
      const { target, markets } = request;
      asked.push(target.case === "pairing" ? [target.value.homeTeam, target.value.awayTeam, target.value.date] : target.value);
      assert.deepEqual(markets, [Market.TOTAL_GOALS, Market.BOTH_TEAMS_TO_SCORE, Market.CORRECT_SCORE]);
      return {};
    },
  });
  await predictions.predict(toRequest({ kind: "match", matchId: "m1" }));
  await predictions.predict(toRequest({ kind: "pairing", home: "Spurs", away: "eng-leeds", date: "2026-12-05" }));
  assert.deepEqual(asked, ["m1", ["Spurs", "eng-leeds", "2026-12-05"]]);
});

const info = (reason: string, metadata: Record<string, string> = {}) => ({ desc: ErrorInfoSchema, value: { reason, domain: "footballprediction", metadata } });
const at = (field: string) => ({ desc: BadRequestSchema, value: { fieldViolations: [{ field, description: "wrong" }] } });

for (const [name, thrown, want] of [
  [
    "unknown team",
    new ConnectError("x", Code.NotFound, {}, [info("TEAM_UNKNOWN", { team: "Arsnal", suggestions: "eng-arsenal,fra-nancy" }), at("pairing.home_team")]),
    { message: /“Arsnal”/, field: "home", suggestions: ["eng-arsenal", "fra-nancy"], retry: false },
  ],
  [
    "unknown team without suggestions",
    new ConnectError("x", Code.NotFound, {}, [info("TEAM_UNKNOWN", { team: "Zzz", suggestions: "" }), at("pairing.away_team")]),
    { message: /“Zzz”/, field: "away", suggestions: [], retry: false },
  ],
  ["one team twice", new ConnectError("x", Code.InvalidArgument, {}, [info("SAME_TEAM_TWICE"), at("pairing.away_team")]), { message: /itself/, field: "away", retry: false }],
  ["date too early", new ConnectError("x", Code.InvalidArgument, {}, [info("DATE_BEFORE_HISTORY"), at("pairing.date")]), { message: /later/, field: "date", retry: false }],
  ["no date at all", new ConnectError("x", Code.InvalidArgument, {}, [info("FIELD_INVALID"), at("pairing.date")]), { message: /not a date/, field: "date", retry: false }],
  ["unknown match", new ConnectError("x", Code.NotFound, {}, [info("MATCH_UNKNOWN")]), { message: /not in the list/, retry: false }],
  ["no model yet", new ConnectError("x", Code.Unavailable, {}, [info("MODEL_NOT_READY")]), { message: /No model/, retry: true }],
  ["overload", new ConnectError("x", Code.ResourceExhausted), { message: /too much/, retry: true }],
  ["slow", new ConnectError("x", Code.DeadlineExceeded), { message: /too long/, retry: true }],
  ["what nobody foresaw", new ConnectError("the ball is flat", Code.Internal), { message: /the ball is flat/, retry: true }],
] as const) {
  test(`in plain words: ${name}`, async () => {
    const predictions = predictionsOf({
      predict() {
        throw thrown;
      },
    });
    const failure = await predictions.predict({}).then(() => assert.fail("it answered"), explain);
    assert.match(failure.message, want.message);
    assert.equal(failure.retry, want.retry);
    assert.equal(failure.field, "field" in want ? want.field : undefined);
    assert.deepEqual(failure.suggestions, "suggestions" in want ? want.suggestions : []);
  });
}

test("in plain words: no connection, or an error of the page itself", () => {
  assert.match(explain(new TypeError("Failed to fetch")).message, /cannot be reached/);
  assert.match(explain(new Error("the server's answer is incomplete")).message, /the server's answer is incomplete/);
});
