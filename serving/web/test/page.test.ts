// The page in a real browser, asking the real program.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { barriers, launch, visit } from "./chromium.ts";
import { type Program, start } from "./program.ts";

let browser: Browser;
let program: Program;
before(async () => {
  [browser, program] = await Promise.all([launch(), start()]);
});
after(async () => {
  await browser?.close();
  await program?.stop();
});

const title = (page: Page) => page.locator("#title");
const heading = async (page: Page, text: string) => {
  await page.locator("#title", { hasText: text }).waitFor();
  await page.locator("#report[aria-busy=false]").waitFor();
};
const figures = (page: Page) => page.locator(".results dd").allInnerTexts();

/** What the page should show, by another of the program's ways to ask. */
async function ask(pairing: { homeTeam: string; awayTeam: string }) {
  const response = await fetch(`${program.address}/predictions/match`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ pairing }),
  });
  const { prediction } = (await response.json()) as {
    prediction: {
      matchResult: { homeProbability: number; drawProbability: number; awayProbability: number };
      model: { name: string; version: string };
      featuresAsOf: string;
      featureStatus: string;
    };
  };
  return prediction;
}

/** Types into the combobox that has the focus and chooses the first suggestion by keyboard. */
async function choose(page: Page, text: string, want: string): Promise<void> {
  await page.keyboard.type(text);
  await page.locator("[role=option]:visible", { hasText: want }).first().waitFor();
  await page.keyboard.press("ArrowDown");
  const active = await page.locator(":focus").getAttribute("aria-activedescendant");
  assert.match(await page.locator(`#${active}`).innerText(), new RegExp(want));
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(":focus").inputValue(), want);
}

test("two teams, chosen by keyboard alone", () =>
  visit(browser, program.address, {}, async ({ page, strangers }) => {
    await heading(page, " v "); // the next match, unasked
    assert.match(await page.locator(".eyebrow").innerText(), /^Next match · .* made-up fixture$/s);

    await page.keyboard.press("Tab");
    assert.equal(await page.locator(":focus").innerText(), "Skip to the prediction");
    await page.keyboard.press("Tab");
    assert.equal(await page.locator(":focus").getAttribute("id"), "home");
    await choose(page, "arsen", "Arsenal");
    await page.keyboard.press("Tab"); // over the swap
    await page.keyboard.press("Tab");
    await choose(page, "chel", "Chelsea");
    await heading(page, "Arsenal v Chelsea");

    const told = await ask({ homeTeam: "eng-arsenal", awayTeam: "eng-chelsea" });
    const { homeProbability, drawProbability, awayProbability } = told.matchResult;
    const percentages = await figures(page);
    for (const [i, probability] of [homeProbability, drawProbability, awayProbability].entries()) {
      assert.ok(Math.abs(parseFloat(percentages[i] ?? "") - 100 * probability) < 0.1, `${percentages} for ${JSON.stringify(told.matchResult)}`);
    }
    assert.equal(percentages.reduce((sum, text) => sum + Math.round(parseFloat(text) * 10), 0), 1000);
    const bar = await page.locator(".results .bar > span").evaluateAll((spans) => spans.map((span) => span.getBoundingClientRect().width));
    const whole = bar.reduce((sum, width) => sum + width, 0);
    bar.forEach((width, i) => assert.ok(Math.abs((100 * width) / whole - parseFloat(percentages[i] ?? "")) < 1, `${bar} for ${percentages}`));

    const cells = page.locator(".heatmap td.cell");
    assert.equal(await cells.count(), 121);
    const sum = (await cells.evaluateAll((all) => all.map((cell) => parseFloat(/([\d.]+)%$/.exec((cell as HTMLElement).title)?.[1] ?? "NaN")))).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 100) < 0.3, `the scores sum to ${sum}%`);

    const facts = await page.locator(".provenance").innerText();
    const asOf = new Date(told.featuresAsOf).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
    assert.match(facts, new RegExp(`Model\\s+${told.model.name}, version ${told.model.version}\\s`));
    assert.equal(told.featureStatus, "FEATURE_STATUS_STALE"); // as the released state is, for want of newer open data
    assert.match(facts, new RegExp(`Results known to\\s+${asOf} \\(stale\\)`));
    assert.match(await page.locator(".notes").innerText(), new RegExp(`^Stale: the latest results known are of ${asOf}\\.`));
    assert.match(await page.locator("[role=status]").innerText(), /^Arsenal against Chelsea: Arsenal win [\d.]+%, draw [\d.]+%, Chelsea win [\d.]+%\.$/);
    assert.match(await page.locator(".expected").innerText(), /Arsenal\s+\d\.\d\d\s+Chelsea\s+\d\.\d\d/);
    assert.equal(await page.locator(".totals dt").count(), 7);

    // The address says it all: another visit sees the same.
    assert.equal(new URL(page.url()).search, "?home=eng-arsenal&away=eng-chelsea");
    assert.equal(await page.title(), "Arsenal – Chelsea · footballprediction");
    await page.reload();
    await heading(page, "Arsenal v Chelsea");
    assert.deepEqual(await figures(page), percentages);
    assert.equal(await page.locator("#home").inputValue(), "Arsenal");
    assert.deepEqual(strangers, []);
  }));

test("names as people say them, a date, and the other way round", () =>
  visit(browser, program.address, {}, async ({ page }) => {
    await page.locator("#home").fill("bayern münchen");
    await page.locator("#away").fill("the gunners");
    await page.locator("#date").fill("2026-12-05");
    await page.keyboard.press("Enter");
    await heading(page, "Bayern Munich v Arsenal");
    assert.match(await page.locator(".eyebrow").innerText(), /Bundesliga · Sat, 5 Dec 2026/);
    assert.match(await page.locator(".notes").innerText(), /two countries/);
    await page.locator("#swap").click();
    await heading(page, "Arsenal v Bayern Munich");
    assert.equal(new URL(page.url()).searchParams.get("date"), "2026-12-05");
    await page.goBack();
    await heading(page, "Bayern Munich v Arsenal");
    await page.goBack(); // to what nobody asked
    await page.locator(".eyebrow", { hasText: "Next match" }).waitFor();
    assert.equal(await page.locator("#home").inputValue(), "");
  }));

test("suggestions open, move around and close by keyboard; a click chooses", () =>
  visit(browser, program.address, {}, async ({ page }) => {
    const home = page.locator("#home");
    await home.focus();
    await page.keyboard.type("man ");
    const options = page.locator("#home-options [role=option]");
    await options.first().waitFor();
    assert.equal(await home.getAttribute("aria-expanded"), "true");
    const names = await options.locator("span:first-child").allInnerTexts();
    assert.deepEqual(names.slice(0, 2), ["Man City", "Man United"]);
    await page.keyboard.press("ArrowUp"); // from the input to the last
    assert.equal(await options.last().getAttribute("aria-selected"), "true");
    await page.keyboard.press("ArrowDown"); // and around to the input
    assert.equal(await home.getAttribute("aria-activedescendant"), null);
    await page.keyboard.press("Escape");
    assert.equal(await home.getAttribute("aria-expanded"), "false");
    assert.equal(await home.inputValue(), "man ");
    await page.keyboard.press("ArrowDown");
    await options.nth(1).click();
    assert.equal(await home.inputValue(), "Man United");
    await home.fill("qqqq");
    await page.locator("#home-options", { hasText: "No team matches “qqqq”" }).waitFor();
  }));

test("the list: a competition, its pages, and a match by Enter", () =>
  visit(browser, program.address, {}, async ({ page }) => {
    const entries = page.locator("#fixtures a");
    await entries.first().waitFor();
    assert.equal(await page.locator("#fixtures .tag").count(), await entries.count());
    assert.match(await page.locator("#fixtures .note").innerText(), /invented/);
    await page.locator("#competition").selectOption({ label: "La Liga (Spain)" });
    const ids = () => entries.evaluateAll((links) => links.map((link) => (link as HTMLElement).dataset["match"] ?? ""));
    await page.locator("#fixtures[aria-busy=false] a[data-match^=SP1]").first().waitFor();
    const first = await ids();
    assert.equal(first.length, 10);
    assert.ok(first.every((id) => id.startsWith("SP1-")), first.join());
    assert.ok(await page.locator("#earlier").isDisabled());
    await page.locator("#later").press("Enter");
    await page.locator("#page-number", { hasText: "Page 2" }).waitFor();
    const second = await ids();
    assert.ok(second.every((id) => id.startsWith("SP1-") && !first.includes(id)), second.join());
    await page.locator("#earlier").press("Enter");
    await page.locator("#page-number", { hasText: "Page 1" }).waitFor();
    assert.deepEqual(await ids(), first);
    assert.equal(await page.locator(":focus").getAttribute("id"), "later"); // "Earlier" can no longer be operated

    const third = entries.nth(2);
    const [homeTeam, awayTeam] = (await third.locator(".teams").innerText()).split(" v ");
    await third.press("Enter");
    await heading(page, `${homeTeam} v ${awayTeam}`);
    assert.equal(await page.locator(":focus").getAttribute("id"), "title");
    assert.equal(await third.getAttribute("aria-current"), "true");
    assert.match(await page.locator(".eyebrow").innerText(), /La Liga · .* made-up fixture$/s);
    assert.equal(new URL(page.url()).searchParams.get("match"), first[2]);
    assert.equal(await page.locator("#home").inputValue(), homeTeam);
  }));

test("an unknown team: suggestions to press", () =>
  visit(browser, `${program.address}/?home=Arsnal&away=Chelsea&date=2026-12-05`, {}, async ({ page }) => {
    const alert = page.locator("[role=alert]");
    await alert.getByText("No team is known as “Arsnal”.").waitFor();
    assert.equal(await page.locator("#home").getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator("#home").getAttribute("aria-describedby"), await alert.getAttribute("id"));
    assert.equal(await page.locator("#home").inputValue(), "Arsnal");
    await alert.getByRole("button", { name: "Arsenal, England" }).press("Enter");
    await heading(page, "Arsenal v Chelsea");
    assert.equal(await alert.innerText(), "");
    assert.equal(await page.locator("#home").getAttribute("aria-invalid"), null);
    assert.match(await page.locator(".eyebrow").innerText(), /5 Dec 2026/);
  }));

test("other mistakes, in plain words", () =>
  visit(browser, program.address, {}, async ({ page }) => {
    const alert = page.locator("[role=alert]");
    for (const [home, away, date, words] of [
      ["Arsenal", "arsenal", "", "A team cannot play itself."],
      ["Arsenal", "Chelsea", "2020-01-01", "This date is not after the latest results"],
      ["<img src=x onerror=alert(1)>", "Chelsea", "", "No team is known as “<img src=x onerror=alert(1)>”."],
    ] as const) {
      await page.locator("#home").fill(home);
      await page.locator("#away").fill(away);
      await page.locator("#date").fill(date);
      await page.getByRole("button", { name: "Predict" }).click();
      await alert.getByText(words).waitFor();
    }
    assert.equal(await page.locator("img").count(), 0);
    await page.goto(`${program.address}/?match=E0-19000101-nobody-noone`);
    await alert.getByText("This match is not in the list").waitFor();
  }));

test("no connection: said so, and tried again", () =>
  visit(browser, `${program.address}/?home=Arsenal&away=Chelsea`, {}, async ({ page }) => {
    await heading(page, "Arsenal v Chelsea");
    await page.route(/Predict\?/, (route) => route.abort("connectionrefused"));
    await page.locator("#swap").click();
    await page.locator("[role=alert]").getByText("The server cannot be reached.").waitFor();
    assert.equal(await title(page).innerText(), "Arsenal v Chelsea"); // the last answer stays
    await page.unroute(/Predict\?/);
    await page.getByRole("button", { name: "Try again" }).press("Enter");
    await heading(page, "Chelsea v Arsenal");
    assert.equal(await page.locator("[role=alert]").innerText(), "");
  }));

test("a newer question takes the place of one under way", () =>
  visit(browser, program.address, {}, async ({ page }) => {
    await heading(page, " v ");
    let held = () => {};
    const arrived = new Promise<void>((resolve) => (held = resolve));
    await page.route(/Predict\?.*Arsenal/, () => held()); // and never answers
    const cancelled = page.waitForEvent("requestfailed", (request) => request.url().includes("Arsenal"));
    await page.locator("#home").fill("Arsenal");
    await page.locator("#away").fill("Chelsea");
    await page.keyboard.press("Enter");
    await arrived;
    assert.equal(await page.locator("#report").getAttribute("aria-busy"), "true");
    await page.locator("#home").fill("Liverpool");
    await page.locator("#away").fill("Everton");
    await page.keyboard.press("Enter");
    await heading(page, "Liverpool v Everton");
    assert.equal((await cancelled).failure()?.errorText, "net::ERR_ABORTED");
  }));

for (const colorScheme of ["light", "dark"] as const) {
  test(`${colorScheme}: legible, and no barriers that a machine can find`, () =>
    visit(browser, `${program.address}/?home=Arsenal&away=Bayern Munich`, { colorScheme }, async ({ page }) => {
      await heading(page, "Arsenal v Bayern Munich");
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const brightness = (/\d+/g[Symbol.match](ground) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
      assert.ok(colorScheme === "dark" ? brightness < 50 : brightness > 200, ground);
      await page.waitForFunction(() => document.getAnimations().length === 0);
      assert.deepEqual(await barriers(page), []);
      await page.locator("#home").fill("man");
      await page.locator("[role=option]").first().waitFor();
      await page.keyboard.press("ArrowDown");
      assert.deepEqual(await barriers(page), []);
      await page.locator("#home").fill("Arsnal");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Arsenal, England" }).waitFor();
      assert.deepEqual(await barriers(page), []);
    }));
}

for (const width of [320, 390, 820]) {
  test(`${width} pixels wide: nothing runs out of the screen`, () =>
    visit(
      browser,
      `${program.address}/?home=Evian+Thonon+Gaillard&away=M%27gladbach`,
      { viewport: { width, height: 800 }, isMobile: true, hasTouch: true },
      async ({ page }) => {
        await heading(page, "Evian Thonon Gaillard v M'gladbach");
        await page.locator("#fixtures a").first().waitFor();
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
        const sides = await page.locator(".heatmap thead tr:last-child th").allInnerTexts();
        assert.equal(sides.at(-1), width < 736 ? "6+" : "10");
        const cell = await page.locator(".heatmap td.cell").first().boundingBox();
        assert.ok(cell && cell.width >= 28 && cell.height >= 28, JSON.stringify(cell));
        const tight = await page
          .locator("main :is(dt, dd, td, h2, h3, p, ol li, a, button):not(.unseen)")
          .evaluateAll((all) => all.filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.outerHTML));
        assert.deepEqual(tight, [], "text runs out of its place");
        await page.locator("#fixtures a").first().tap();
        await page.locator(".eyebrow", { hasText: "made-up fixture" }).waitFor();
        await page.waitForFunction(() => {
          const top = document.getElementById("title")?.getBoundingClientRect().top ?? -1;
          return top >= 0 && top < innerHeight; // the tap brought the answer into sight
        });
      },
    ));
}

test("who asks for little motion gets none", () =>
  visit(browser, program.address, { reducedMotion: "reduce" }, async ({ page }) => {
    await page.route(/Predict\?/, () => {}); // always under way
    await page.locator("#home").fill("Arsenal");
    await page.locator("#away").fill("Chelsea");
    await page.keyboard.press("Enter");
    await page.locator("#report[aria-busy=true]").waitFor();
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  }));
