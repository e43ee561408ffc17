/**
 * No pattern in `src/` takes more than a moment for 64 kB of anything: a regular expression that tries again from each
 * position is quadratic, and whoever may choose a URL, a header or a file could stop the server with one.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { transformSync } from "esbuild";
import { parseAst } from "vite";
import { expect, test } from "vitest";

const src = new URL("../../src/", import.meta.url).pathname;
// 64 kB, three times over: so that what is quadratic stands out.
const length = 192 * 1024;
// Linear ones take some milliseconds; quadratic ones, forty thousand million steps.
const patienceSeconds = 8;

/** Each class of characters that patterns tell apart, and pairs of them, repeated. */
const pieces = [
  ...Array.from("aZ0 \t\n\r/.-_:@[]{}()<>\"'\\#;?%=,~+*^$|&!é\0"),
  ...'ab|a:|:/|//|..|./|a.|a/|a@|a,|a=|[a|\\a|\\"|"a|%2|%a|0.|0,|{a|}a|a\n|\n\n|a |a;|#\n|a-|-a|_a|a\r\n'.split("|"),
  ..."://|a://|remote: |[a]\n|ref: ".split("|"),
];
/** What gets a pattern past its first characters. */
const beginnings = ["", "https://", "git@", '[a "', "%{", "fatal: ", "remote: ", "ref: refs/", "mirror-server-", "."];
const texts = pieces.flatMap((piece) => [
  { begin: "", piece, end: "" },
  ...beginnings.map((begin) => ({ begin, piece, end: "\n!" })),
]);

interface Found {
  readonly where: string;
  readonly source: string;
  readonly flags: string;
}

function patternsIn(file: string): Found[] {
  const found: Found[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== "object" || node === null) return;
    const { regex } = node as { regex?: { pattern: string; flags: string } };
    if (regex !== undefined) found.push({ where: file, source: regex.pattern, flags: regex.flags });
    Object.values(node).forEach(visit);
  };
  visit(parseAst(transformSync(readFileSync(join(src, file), "utf8"), { loader: "ts" }).code));
  return found;
}

const names = readdirSync(src, { recursive: true, encoding: "utf8" });
const files = names.filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
const patterns = files.filter((file) => !file.includes("/gen/")).flatMap(patternsIn);

/** Runs in a thread of its own, which can be ended in the middle of a pattern, and tells how far it is. */
const work = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { patterns, texts, length, progress } = workerData;
  for (const [at, { begin, piece, end }] of texts.entries()) {
    const text = begin + piece.repeat(Math.ceil(length / piece.length)) + end;
    for (const [index, { source, flags }] of patterns.entries()) {
      progress[0] = index;
      progress[1] = at;
      const pattern = new RegExp(source, flags);
      if (flags.includes("g")) text.replace(pattern, "");
      else pattern.exec(text);
    }
  }
  parentPort.postMessage("done");
`;

test("every pattern is done with 64 kB of anything", async () => {
  expect(patterns.length).toBeGreaterThan(100);
  const slow: string[] = [];
  for (let rest: readonly Found[] = patterns; rest.length > 0;) {
    const stuck = await firstStuck(rest);
    if (stuck === undefined) break;
    const { where, source } = rest[stuck.pattern] ?? { where: "", source: "" };
    slow.push(`${where}: /${source}/ with ${JSON.stringify(texts[stuck.text])}`);
    rest = rest.filter((_, index) => index !== stuck.pattern);
  }
  expect(slow).toEqual([]);
}, 900_000);

/** @returns at which pattern and text; undefined when all came to their end */
async function firstStuck(found: readonly Found[]): Promise<{ pattern: number; text: number } | undefined> {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(work, { eval: true, workerData: { patterns: found, texts, length, progress } });
  let seen = "";
  let still = 0;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const now = progress.join();
      still = now === seen ? still + 1 : 0;
      seen = now;
      if (still < patienceSeconds) return;
      clearInterval(timer);
      const [pattern = 0, text = 0] = progress;
      void worker.terminate().then(() => resolve({ pattern, text }));
    }, 1000);
    worker.once("message", () => {
      clearInterval(timer);
      void worker.terminate().then(() => resolve(undefined));
    });
    worker.once("error", reject);
  });
}
