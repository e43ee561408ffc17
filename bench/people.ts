/**
 * npm run bench -- people        what looking at a mirror of 1,000 packages and 100 repositories costs
 *
 * Health as containers poll it, metrics as Prometheus does, the page of packages as a browser shows it, and what these cost
 * the rest: beside `/health/live`, which looks at nothing. Needs git; Chromium for what a browser sees.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasBrowser, launchBrowser } from "../test/support/browser.ts";
import { makeTarball } from "../test/support/tarballs.ts";
import { seconds } from "./support/measure.ts";
import { printTable } from "./support/table.ts";

const packages = 1000;
const repositories = 100;
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const assets = fileURLToPath(new URL("../../dist/assets/", import.meta.url));
const environment = { PATH: process.env["PATH"] ?? "", HOME: root };
let seed = 17;
const rows: string[][] = [["what", "figure"]];

try {
  await measure();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  makeMirror();
  const args = ["serve", "--offline", "--no-tls", "--port", "0", "--json", "--log-level", "silent"];
  const server = spawn(process.execPath, [main, ...args], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [text] = (await once(server.stdout, "data")) as [Buffer];
    const { port } = JSON.parse(text.toString()) as { port: number };
    await lookAt(`http://127.0.0.1:${port}`);
  } finally {
    server.kill();
    await once(server, "close");
  }
  printTable(rows);
}

async function lookAt(url: string): Promise<void> {
  const get = async (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers });
  rows.push([
    "the first answer of health, at the start",
    `${(1000 * (await seconds(() => get("/health")))).toFixed(0)} ms`,
  ]);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (const path of ["/health/live", "/health/ready", "/health"]) {
    const times: number[] = [];
    const end = performance.now() + 5000;
    while (performance.now() < end) times.push(await seconds(async () => (await get(path)).arrayBuffer()));
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number) => (1000 * (sorted[Math.floor(sorted.length * part)] ?? 0)).toFixed(2);
    const mean = (1000 * times.reduce((sum, time) => sum + time, 0)) / times.length;
    rows.push([`${path}, one after the other`, `mean ${mean.toFixed(2)} ms, median ${at(0.5)}, 99 % ${at(0.99)}`]);
  }
  rows.push(["/metrics, the first", `${(1000 * (await seconds(() => get("/metrics")))).toFixed(0)} ms`]);
  rows.push(["/metrics", `${(1000 * (await seconds(() => get("/metrics")))).toFixed(1)} ms`]);
  // Browsers take brotli by HTTPS alone.
  const [whole, gzipped, brotlied] = ["identity", "gzip", "br"].map((encoding) => pageSize(url, encoding));
  rows.push([`the page of ${packages} packages`, `${kB(whole)}, by gzip ${kB(gzipped)}, by brotli ${kB(brotlied)}`]);
  const own = ["style.css", "script.js"].reduce((sum, name) => sum + statSync(join(assets, name)).size, 0);
  rows.push(["styles and scripts", kB(own)]);
  if (hasBrowser) rows.push(["it is painted after", `${(await painted(`${url}/ui/packages`)).toFixed(0)} ms`]);
}

function pageSize(url: string, encoding: string): number {
  const headers = ["-H", "accept: text/html", "-H", `accept-encoding: ${encoding}`];
  return execFileSync("curl", ["-s", ...headers, `${url}/ui/packages`], { maxBuffer: 64 * 1024 * 1024 }).length;
}

function kB(bytes = Number.NaN): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

/** The slowest of five, by the browser's own account, since it was asked for. */
async function painted(url: string): Promise<number> {
  const browser = await launchBrowser();
  try {
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const page = await browser.newPage();
      await page.goto(url, { waitUntil: "load" });
      times.push(
        await page.evaluate(
          async () =>
            new Promise<number>((resolve) => {
              new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? 0)).observe({
                type: "largest-contentful-paint",
                buffered: true,
              });
            }),
        ),
      );
      await page.close();
    }
    return Math.max(...times);
  } finally {
    await browser.close();
  }
}

/** The same in each run. */
function random(): number {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return seed / 2 ** 31;
}

function word(): string {
  const letters = (from: string) => from[Math.floor(random() * from.length)] ?? "";
  const syllables = 2 + Math.floor(random() * 2);
  return Array.from({ length: syllables }, () => letters("bcdfghklmnprstvz") + letters("aeiou") + letters("nrsl  "))
    .join("")
    .replaceAll(" ", "");
}

function makeMirror(): void {
  const hex = join(root, ".mirror/hex/tarballs");
  mkdirSync(hex, { recursive: true });
  const entries: object[] = [];
  const names: string[] = [];
  // As people write: the second word is half as common as the first, the third has a third of it (Zipf).
  const vocabulary = Array.from({ length: 3000 }, () => word());
  const someWord = () => vocabulary[Math.floor(vocabulary.length ** random()) - 1] ?? "";
  const licenses = ["Apache-2.0", "MIT", "BSD-3-Clause", "ISC", "MPL-2.0"];
  for (let index = 0; index < packages; index += 1) {
    const name = `${word()}_${someWord()}${index}`;
    names.push(name);
    const needed = new Set(Array.from({ length: Math.min(index, 3) }, () => names[Math.floor(random() * index)] ?? ""));
    const version = `${Math.floor(random() * 5)}.${Math.floor(random() * 20)}.${Math.floor(random() * 10)}`;
    const { bytes } = makeTarball({
      name,
      version,
      description: `${Array.from({ length: 9 }, someWord).join(" ")}.`,
      licenses: [licenses[Math.floor(random() ** 2 * licenses.length)] ?? "MIT"],
      requirements: [...needed].map((other) => ({ name: other, requirement: ">= 0.0.0" })),
    });
    writeFileSync(join(hex, `${name}-${version}.tar`), bytes);
    entries.push({ app: name, name, version, repository: "hexpm" });
  }
  mkdirSync(join(root, ".mirror/locks"), { recursive: true });
  const git = (cwd: string, ...args: string[]) => {
    const identity = {
      GIT_AUTHOR_NAME: "a",
      GIT_AUTHOR_EMAIL: "a@a",
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@a",
    };
    return execFileSync("git", args, { cwd, env: { ...environment, ...identity }, encoding: "utf8" }).trim();
  };
  const work = join(root, "work");
  mkdirSync(work);
  git(work, "init", "-q", "-b", "main");
  writeFileSync(join(work, "README.md"), "hello\n");
  git(work, "add", ".");
  git(work, "commit", "-qm", "first");
  const revision = git(work, "rev-parse", "HEAD");
  git(root, "clone", "-q", "--bare", "work", "bare.git");
  git(join(root, "bare.git"), "repack", "-adq");
  const repos: object[] = [];
  for (let index = 0; index < repositories; index += 1) {
    cpSync(join(root, "bare.git"), join(root, `.mirror/git/github.com/owner/repo${index}.git`), { recursive: true });
    repos.push({ app: `repo${index}`, url: `https://github.com/owner/repo${index}.git`, revision, options: {} });
  }
  writeFileSync(join(root, ".mirror/locks/my_app.json"), JSON.stringify({ hex: entries, git: repos, submodules: [] }));
  execFileSync(process.execPath, [main, "build"], { cwd: root, env: environment, stdio: "ignore" });
}
