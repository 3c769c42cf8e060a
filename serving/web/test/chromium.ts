// The real browser, Debian's Chromium: started here, so that nothing of anybody's profile is used.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Starts Chromium with an empty profile that is removed when it is closed. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim(),
    args: [
      "--no-sandbox", // tests may run as root
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export interface Visit {
  readonly page: Page;
  /** What was asked of other addresses than the page's own. */
  readonly strangers: string[];
  /** What the page complained of: errors of its script, breaches of its Content-Security-Policy. */
  readonly complaints: string[];
}

/** Opens an address in a fresh context and closes it after the visit, which must leave no complaint. */
export async function visit(browser: Browser, address: string, options: BrowserContextOptions, act: (visit: Visit) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/London", viewport: { width: 1280, height: 900 }, ...options });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const strangers: string[] = [];
    const complaints: string[] = [];
    const { origin } = new URL(address);
    page.on("request", (request) => new URL(request.url()).origin !== origin && strangers.push(request.url()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      // The browser logs every answer that is not 200, which the page handles.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
    });
    await page.goto(address);
    await act({ page, strangers, complaints });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const axe = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What keeps people from using the page as it is now, by the rules of WCAG 2.2 AA that a machine can check. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(await axe);
  const { violations } = (await page.evaluate(
    "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  )) as AxeResults;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary ?? ""}`));
}
