// The real program, serving on free ports of this machine's loopback.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../../../bin/footballprediction", import.meta.url)); // from .test/test

export interface Program {
  /** Of the public HTTP port: "http://127.0.0.1:8000". */
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts `serve` and waits until it is ready; `make build` makes what is started. */
export async function start(): Promise<Program> {
  const home = await mkdtemp(join(tmpdir(), "footballprediction-web-"));
  const any = "127.0.0.1:0";
  const child = spawn(program, ["serve", "--http-address", any, "--grpc-address", any, "--operator-address", any], {
    cwd: home,
    env: { HOME: home },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
    await rm(home, { recursive: true, force: true });
  };
  try {
    const [address, operators] = await addressesOf(child);
    await ready(`${operators}/readyz`);
    return { address, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Reads the addresses of the HTTP and the operators' port off the log. */
async function addressesOf(child: ChildProcess): Promise<[string, string]> {
  if (!child.stderr) throw new Error("the program's log is not read");
  const log: string[] = [];
  const lines = createInterface(child.stderr);
  for await (const line of lines) {
    log.push(line);
    const found = /msg=serving http=(\S+) .*operators=(\S+)/.exec(line);
    if (found?.[1] && found[2]) {
      child.stderr.resume(); // what is logged from here on is not kept
      return [`http://${found[1]}`, `http://${found[2]}`];
    }
  }
  throw new Error(`the program ended before it served:\n${log.join("\n")}`);
}

async function ready(url: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const response = await fetch(url);
    await response.arrayBuffer();
    if (response.ok) return;
    if (Date.now() > deadline) throw new Error(`${url} still answers ${response.status}`);
    await after(20);
  }
}
