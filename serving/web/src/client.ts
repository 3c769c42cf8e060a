// The clients, made once: all parts of the page share their transport.

import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { MatchService } from "./gen/footballprediction/v1/match_pb.ts";
import { PredictionService } from "./gen/footballprediction/v1/prediction_pb.ts";

const transport = createConnectTransport({
  baseUrl: new URL(".", document.baseURI).href,
  useHttpGet: true,
  defaultTimeoutMs: 10_000,
});

export const predictions = createClient(PredictionService, transport);
export const matches = createClient(MatchService, transport);
