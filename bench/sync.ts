/**
 * npm run bench -- sync [ROUNDS] [MAIN_JS]    a sync of 100 and of 157 packages, and once more, beside curl and beside the old way
 *
 * Whole processes against a Hex upstream on loopback, directly and through a line with 50 ms and 20 Mbit/s; tarballs of some
 * 73 kB, as those of a real app are on average. curl fetches the same bytes, eight at once, and checks nothing; the old way is one
 * `mix hex.package fetch` each, three at once (once only, since it takes minutes). With MAIN_JS, another build of this program
 * takes turns. Needs curl, and Mix with Hex for the old way.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeHexFiles } from "../test/support/hex-files.ts";
import { makeTarball, mixLock, type MadeTarball } from "../test/support/tarballs.ts";
import { seconds } from "./support/measure.ts";
import { startShapedLine } from "./support/shaper.ts";
import { printTable, shownRatios } from "./support/table.ts";

const rounds = Number(process.argv[2] ?? 5);
const mains = [fileURLToPath(new URL("../../dist/main.js", import.meta.url)), ...process.argv.slice(3, 4)];
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const env = { PATH: process.env["PATH"] ?? "", HOME: root };
const line = { roundTrip: 50, bitsPerSecond: 20_000_000 };
const rows = [["what", "ours", "lowest", "beside", "ratios (lowest)", ...mains.slice(1).map(() => "the other build")]];

try {
  for (const count of [100, 157]) await measure(count);
  printTable(rows);
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(count: number): Promise<void> {
  const cwd = join(root, String(count));
  mkdirSync(cwd);
  const tarballs = Array.from({ length: count }, (_, n) =>
    makeTarball({
      name: `package${n}`,
      version: "1.0.0",
      files: { "src/a.erl": randomBytes(53_000).toString("base64") },
    }),
  );
  writeFileSync(join(cwd, "mix.lock"), mixLock(tarballs));
  const upstream = await startUpstream(cwd, tarballs);
  const shaped = await startShapedLine(upstream.url, line);
  const old = hasHex() ? await oldWay(upstream.url, cwd, tarballs) : undefined;
  for (const [name, url] of [
    ["loopback", upstream.url],
    ["50 ms, 20 Mbit/s", shaped.url],
  ] as const) {
    const label = `${count} packages, ${name}`;
    await compare({ label, url, cwd, tarballs, old: name === "loopback" ? old : undefined });
  }
  shaped.close();
  upstream.close();
}

interface Compared {
  readonly label: string;
  readonly url: string;
  readonly cwd: string;
  readonly tarballs: readonly MadeTarball[];
  /** Seconds, of a first fetch. */
  readonly old: number | undefined;
}

async function compare({ label, url, cwd, tarballs, old }: Compared): Promise<void> {
  const times = new Map<string, number[]>();
  const timed = async (name: string, work: () => Promise<unknown>) =>
    times.set(name, [...(times.get(name) ?? []), await seconds(work)]);
  const records = tarballs.map(({ name }) => `${url}/packages/${name}`);
  const all = [...records, ...tarballs.map(({ name, version }) => `${url}/tarballs/${name}-${version}.tar`)];
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, main] of mains.entries()) {
      const mirror = join(cwd, `mirror-${round}-${index}`);
      const args = ["--hex-url", url, "--hex-public-key", join(cwd, "upstream.pem"), "--mirror", mirror];
      const sync = async (...more: string[]) => run(process.execPath, [main, "sync", ...args, ...more], cwd);
      await timed(`${index} first`, sync);
      await timed(`${index} second`, sync);
      await timed(`${index} if changed`, async () => sync("--if-changed"));
      rmSync(mirror, { recursive: true });
    }
    await timed("curl first", async () => curl(all, cwd));
    await timed("curl second", async () => curl(records, cwd, ["-H", 'If-None-Match: "1"']));
  }
  const of = (name: string) => times.get(name) ?? [];
  const ratios = (ours: string, theirs: string) =>
    of(ours).map((time, index) => time / (of(theirs)[index] ?? Number.NaN));
  const others = (name: string) => mains.slice(1).map(() => `${median(of(`1 ${name}`)).toFixed(2)} s`);
  const row = (what: string, name: string, beside: string, shown: string) => {
    const [mid, low] = [median(of(`0 ${name}`)), Math.min(...of(`0 ${name}`))].map((time) => `${time.toFixed(2)} s`);
    rows.push([`${label}: ${what}`, mid ?? "", low ?? "", beside, shown, ...others(name)]);
  };
  row("sync", "first", "curl", shownRatios(ratios("0 first", "curl first")));
  if (old !== undefined) {
    const faster = of("0 first").map((time) => old / time);
    row("sync", "first", "one mix hex.package fetch each: so many times as fast", shownRatios(faster));
  }
  row("once more", "second", "curl, on condition", shownRatios(ratios("0 second", "curl second")));
  row("--if-changed", "if changed", "", "");
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function curl(urls: readonly string[], cwd: string, more: readonly string[] = []): Promise<void> {
  const file = join(cwd, "urls");
  writeFileSync(
    file,
    urls.map((url, index) => `url = "${url}"\noutput = "${join(cwd, "curl", String(index))}"\n`).join(""),
  );
  mkdirSync(join(cwd, "curl"), { recursive: true });
  await run("curl", ["-sS", "-Z", "--parallel-max", "8", ...more, "-K", file], cwd);
}

/** @returns seconds */
async function oldWay(url: string, cwd: string, tarballs: readonly MadeTarball[]): Promise<number> {
  const queue = [...tarballs];
  // A home each: at once in one, they cannot write its cache.
  const work = async (home: string) => {
    const hex = { HEX_MIRROR: url, HEX_UNSAFE_REGISTRY: "1", HEX_HOME: join(cwd, home) };
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { name, version } = next;
      await run("mix", ["hex.package", "fetch", name, version, "--output", join(cwd, `${name}.tar`)], cwd, hex);
    }
  };
  return seconds(async () => Promise.all(["home1", "home2", "home3"].map(work)));
}

function hasHex(): boolean {
  const mixEnv = { ...env, MIX_HOME: process.env["MIX_HOME"] ?? "" };
  return spawnSync("mix", ["help", "hex.package"], { env: mixEnv, cwd: root, stdio: "ignore" }).status === 0;
}

async function run(program: string, args: readonly string[], cwd: string, more: Record<string, string> = {}) {
  const all = { ...env, MIX_HOME: process.env["MIX_HOME"] ?? "", ...more };
  const child = spawn(program, args, { cwd, env: all, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}: ${said}`);
}

async function startUpstream(cwd: string, tarballs: readonly MadeTarball[]) {
  const { files, publicKey } = await makeHexFiles(tarballs);
  writeFileSync(join(cwd, "upstream.pem"), publicKey);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    const isSame = request.headers["if-none-match"] === '"1"';
    response.writeHead(file === undefined ? 404 : isSame ? 304 : 200, { etag: '"1"' });
    response.end(isSame ? undefined : file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => server.close().closeAllConnections() };
}
