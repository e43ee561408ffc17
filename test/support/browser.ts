/** A real browser, Debian's Chromium, where it is installed: tests say plainly what they skipped elsewhere. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { isInstalled } from "./clients.ts";

const program = "chromium";
export const hasBrowser = isInstalled(program, "--version");

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Started for one test file, and ended by whoever started it. */
export async function launchBrowser(): Promise<Browser> {
  // In containers there is no sandbox to be had, and little shared memory.
  const args = ["--no-sandbox", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath: `/usr/bin/${program}`, args });
}

export interface OpenedPage {
  readonly page: Page;
  /** What the browser complained about: errors of scripts, what its policy refused. */
  readonly complaints: string[];
}

/** A page without a past; it ends with the test. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  onTestFinished(async () => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  return { page, complaints };
}

/** What axe finds against the page as it is, in words. https://github.com/dequelabs/axe-core */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger, past the page's own policy.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { run } = (globalThis as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } }).axe;
    return (await run()).violations;
  });
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string }[];
}
