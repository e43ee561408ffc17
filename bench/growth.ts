/**
 * npm run bench -- growth [SIZES…]     how it grows: 10, 100, 1,000 and 10,000 packages with a release each, and 20,000 with ten
 *
 * Mirrors are generated as a sync leaves them; `10000x10` is a size as well. What is measured is whole programs on them, and the
 * memory that they take at most. Prints a table, and draws docs/images/growth.svg when it measured more than one size.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fingerprint, generatePrivateKey, publicKeyPem, readPrivateKey } from "../src/hex/keys.ts";
import { wrap } from "../src/hex/signed.ts";
import { readTarball } from "../src/hex/tarball.ts";
import { loadConfig } from "../src/config.ts";
import { publish } from "../src/registry/build.ts";
import { silentReporter } from "../src/reporter.ts";
import { StorePaths } from "../src/store/paths.ts";
import { describePackage } from "../src/registry/describe-package.ts";
import { freePort } from "../test/support/free-port.ts";
import { lockEntry, makeTarball } from "../test/support/tarballs.ts";
import { plot, type Series } from "./support/plot.ts";
import { printTable } from "./support/table.ts";

interface Size {
  readonly packages: number;
  /** Of each package. */
  readonly releases: number;
}

interface Measured {
  readonly seconds: number;
  /** At most, MiB. */
  readonly memory: number;
}

const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = new URL("../../dist/main.js", import.meta.url).pathname;
const given = process.argv.slice(2).map((text): Size => {
  const [packages, releases = 1] = text.split("x").map(Number);
  return { packages: packages ?? 0, releases };
});
const sizes = given.length > 0 ? given : [10, 100, 1000, 10_000].map((packages) => ({ packages, releases: 1 }));
if (given.length === 0) sizes.push({ packages: 20_000, releases: 10 });
const columns: { readonly size: Size; readonly measured: Map<string, Measured | number> }[] = [];

try {
  for (const size of sizes) columns.push({ size, measured: await measure(size) });
  report();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(size: Size): Promise<Map<string, Measured | number>> {
  const cwd = join(root, `${size.packages}x${size.releases}`);
  const hex = await generate(cwd, size);
  const upstream = { MIRROR_HEX_URL: hex.url, MIRROR_HEX_PUBLIC_KEY: join(cwd, "upstream.pem") };
  const env = { PATH: process.env["PATH"] ?? "", HOME: cwd, ...upstream };
  const run = async (...args: string[]) => program(args, cwd, env);
  const measured = new Map<string, Measured | number>();
  measured.set("build, all anew", await run("build"));
  measured.set("build, nothing new", await run("build"));
  hex.publishOne();
  measured.set("build, one release more", await run("build"));
  measured.set("one release, signed by who runs already", await signOne(cwd, env));
  await run("sync");
  measured.set("sync, nothing new", await run("sync"));
  measured.set("sync --if-changed", await run("sync", "--if-changed"));
  measured.set("verify", await run("verify"));
  measured.set("status", await run("status"));
  const served = await serve(cwd, env);
  for (const [what, figure] of Object.entries(served)) measured.set(what, figure);
  measured.set("files", readdirSync(join(cwd, ".mirror"), { recursive: true }).length);
  hex.close();
  rmSync(cwd, { recursive: true, force: true });
  return measured;
}

/** A mirror as a sync leaves it, unsigned, and the lock of the app that it is for. */
async function generate(cwd: string, { packages, releases }: Size) {
  const mirror = join(cwd, ".mirror");
  const key = readPrivateKey(generatePrivateKey(), "the upstream's key");
  const dirs = ["hex/tarballs", "upstream/hexpm/packages", "history/hexpm"].map((path) => join(mirror, path));
  const [tarballs = "", records = "", history = ""] = dirs;
  for (const dir of dirs) mkdirSync(dir, { recursive: true });
  writeFileSync(join(cwd, "upstream.pem"), publicKeyPem(key));
  const entries: string[] = [];
  const validators: Record<string, { etag: string }> = {};
  let late: { readonly path: string; readonly bytes: Uint8Array } = { path: "", bytes: Buffer.alloc(0) };
  for (let n = 0; n < packages; n += 1) {
    const name = `package_${n.toString(36)}`;
    const requirements = [1, 7].map((step) => ({
      name: `package_${((n + step) % packages).toString(36)}`,
      requirement: "~> 1.0",
    }));
    const made = Array.from({ length: releases + (n === 0 ? 1 : 0) }, (_, minor) =>
      makeTarball({ name, version: `1.${minor}.0`, requirements }),
    );
    const lines = made.map(({ version, bytes, outerChecksum }) => {
      const path = join(tarballs, `${name}-${version}.tar`);
      if (n === 0 && version === `1.${releases}.0`) late = { path, bytes };
      else writeFileSync(path, bytes);
      return `${JSON.stringify({ version, checksum: outerChecksum, key: fingerprint(key), seen: "2026-01-01" })}\n`;
    });
    const described = describePackage(
      { name, releases: made.map(({ bytes }) => readTarball(bytes)), record: undefined },
      { repository: "hexpm" },
    );
    writeFileSync(join(records, name), await wrap(described.payload, key));
    writeFileSync(join(history, `${name}.jsonl`), lines.join(""));
    validators[name] = { etag: '"1"' };
    if (made[0] !== undefined) entries.push(`  ${lockEntry(made[0])},\n`);
  }
  writeFileSync(join(mirror, "upstream/hexpm/validators.json"), JSON.stringify(validators));
  writeFileSync(join(cwd, "mix.lock"), `%{\n${entries.join("")}}\n`);
  const server = createServer((request, response) => {
    const isSame = request.headers["if-none-match"] === '"1"';
    response.writeHead(isSame ? 304 : 200, { etag: '"1"' });
    response.end(isSame ? undefined : readFileSync(join(records, request.url?.split("/").at(-1) ?? "")));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publishOne: () => writeFileSync(late.path, late.bytes),
    close: () => server.close().closeAllConnections(),
  };
}

async function program(args: readonly string[], cwd: string, env: Record<string, string>): Promise<Measured> {
  const began = performance.now();
  const child = spawn(process.execPath, [main, ...args], { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)));
  const watch = watchMemory(child.pid ?? 0);
  const [code] = (await once(child, "close")) as [number | null];
  const seconds = (performance.now() - began) / 1000;
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${said}`);
  return { seconds, memory: watch.stop() };
}

/** What a sync, or a server that fetches what it is asked for, does with each that comes: the work alone. */
async function signOne(cwd: string, environment: Record<string, string>): Promise<Measured> {
  const config = loadConfig({ flags: {}, environment, cwd });
  const context = {
    paths: new StorePaths(config),
    config,
    reporter: silentReporter,
    signal: new AbortController().signal,
  };
  const sign = async () => publish(context, new Map([["hexpm", new Set(["package_0"])]]));
  const tarball = join(cwd, ".mirror/hex/tarballs/package_0-1.0.0.tar");
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const away = round % 2 === 0;
    if (away) renameSync(tarball, `${tarball}.away`);
    else renameSync(`${tarball}.away`, tarball);
    const began = performance.now();
    await sign();
    times.push((performance.now() - began) / 1000);
  }
  renameSync(`${tarball}.away`, tarball);
  await sign();
  return { seconds: times.toSorted((a, b) => a - b)[2] ?? Number.NaN, memory: process.memoryUsage.rss() / 1024 / 1024 };
}

/** Until it listens, until health says that all is well, and how long health takes then. */
async function serve(cwd: string, env: Record<string, string>): Promise<Record<string, Measured | number>> {
  const port = await freePort();
  const args = ["serve", "--offline", "--no-tls", "--port", String(port), "--log-level", "silent"];
  const began = performance.now();
  const child = spawn(process.execPath, [main, ...args], { cwd, env, stdio: "ignore" });
  const watch = watchMemory(child.pid ?? 0);
  const ask = async (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`).then(
      async (answer) => ({ status: answer.status, text: await answer.text() }),
      () => undefined,
    );
  while ((await ask("/health/live"))?.status !== 200) await sleep(10);
  const start = (performance.now() - began) / 1000;
  while ((await ask("/health"))?.text.includes('"status":"ok"') !== true) await sleep(50);
  const healthy = (performance.now() - began) / 1000;
  const asked = performance.now();
  for (let n = 0; n < 20; n += 1) await ask("/health");
  const health = (performance.now() - asked) / 20_000;
  const memory = watch.stop();
  child.kill("SIGTERM");
  await once(child, "close");
  return {
    "serve, until it answers": { seconds: start, memory },
    "serve, until health says ok": { seconds: healthy, memory },
    "health, then": { seconds: health, memory },
  };
}

function watchMemory(pid: number): { readonly stop: () => number } {
  let most = 0;
  const look = () => {
    try {
      most = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? most * 1024) / 1024;
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 20);
  return {
    stop: () => {
      look();
      clearInterval(timer);
      return most;
    },
  };
}

function report(): void {
  const title = ({ packages, releases }: Size) => `${packages}${releases === 1 ? "" : ` × ${releases}`}`;
  const whats = [...(columns[0]?.measured.keys() ?? [])];
  const shown = (figure: Measured | number | undefined) => {
    if (figure === undefined) return "";
    if (typeof figure === "number") return String(figure);
    const digits = figure.seconds < 0.1 ? 4 : 2;
    return `${figure.seconds.toFixed(digits)} s, ${Math.round(figure.memory)} MiB`;
  };
  printTable([
    ["packages × releases", ...columns.map(({ size }) => title(size))],
    ...whats.map((what) => [what, ...columns.map(({ measured }) => shown(measured.get(what)))]),
  ]);
  if (columns.length < 2) return;
  const series = whats
    .filter((what) => what !== "files")
    .map((what): Series => ({
      name: what,
      points: columns.flatMap(({ size, measured }) => {
        const figure = measured.get(what);
        return typeof figure === "object" ? [{ x: size.packages * size.releases, y: figure.seconds }] : [];
      }),
    }));
  const file = new URL("../../docs/images/growth.svg", import.meta.url).pathname;
  writeFileSync(file, plot(series, { x: "releases", y: "seconds" }));
}
