// A page of another origin that asks the program: bundled and served by origin.test.ts.

import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { PredictionService } from "../src/gen/footballprediction/v1/prediction_pb.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";

const baseUrl = decodeURIComponent(location.hash.slice(1));

async function ask(transport: Transport): Promise<string> {
  const predictions = createClient(PredictionService, transport);
  const pairing = (homeTeam: string) => ({ target: { case: "pairing" as const, value: { homeTeam, awayTeam: "Chelsea" } } });
  const { prediction } = await predictions.predict(pairing("Arsenal"), { timeoutMs: 10_000 });
  const { homeProbability, drawProbability, awayProbability } = prediction?.matchResult ?? {};
  const sum = (homeProbability ?? 0) + (drawProbability ?? 0) + (awayProbability ?? 0);
  const reason = await predictions.predict(pairing("Arsnal")).then(
    () => "none",
    (error: unknown) => ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason ?? String(error),
  );
  return `${prediction?.match?.homeTeam?.teamId} ${sum.toFixed(5)} ${reason}`;
}

for (const [name, transport] of Object.entries({
  "Connect, GET": createConnectTransport({ baseUrl, useHttpGet: true }),
  "Connect, POST": createConnectTransport({ baseUrl }),
  "Connect, binary": createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "gRPC-Web": createGrpcWebTransport({ baseUrl }),
})) {
  const item = document.createElement("li");
  item.textContent = `${name}: ${await ask(transport).catch(String)}`;
  document.body.append(item);
}
