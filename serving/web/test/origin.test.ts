// A page of another origin, in a real browser, may ask the program too.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build, type Rollup } from "vite";
import { launch, visit } from "./chromium.ts";
import { start } from "./program.ts";

async function bundle(): Promise<string> {
  const outputs = (await build({
    configFile: false,
    logLevel: "warn",
    build: {
      write: false,
      target: "es2022",
      lib: { entry: fileURLToPath(new URL("./elsewhere.js", import.meta.url)), formats: ["es"], fileName: "elsewhere" },
    },
  })) as Rollup.RollupOutput[];
  const code = outputs[0]?.output[0].code;
  assert.ok(code);
  return code;
}

test("another origin asks over Connect and gRPC-Web", async () => {
  const [script, browser, program] = await Promise.all([bundle(), launch(), start()]);
  const elsewhere = createServer((request, response) => {
    const isScript = request.url === "/elsewhere.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="elsewhere.js"></script>');
  }).listen(0, "127.0.0.1");
  try {
    await once(elsewhere, "listening");
    const { port } = elsewhere.address() as AddressInfo;
    await visit(browser, `http://127.0.0.1:${port}/#${encodeURIComponent(program.address)}`, {}, async ({ page, strangers }) => {
      await page.locator("li:nth-of-type(4)").waitFor();
      assert.deepEqual(
        await page.locator("li").allInnerTexts(),
        ["Connect, GET", "Connect, POST", "Connect, binary", "gRPC-Web"].map((name) => `${name}: eng-arsenal 1.00000 TEAM_UNKNOWN`),
      );
      assert.ok(strangers.length >= 8 && strangers.every((url) => url.startsWith(`${program.address}/footballprediction.v1.`)), strangers.join("\n"));
    });
  } finally {
    elsewhere.closeAllConnections();
    elsewhere.close();
    await browser.close();
    await program.stop();
  }
});
