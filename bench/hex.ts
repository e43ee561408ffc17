/**
 * npm run bench -- hex [ROUNDS]        Hex files: ours beside nginx, and beside a Fastify that answers from memory
 *
 * The same folder, the same certificate, one run; peers take turns in each round. Ratios are of requests a second, the
 * median of the rounds and in brackets the lowest; only ratios are worth quoting. Needs nginx and wrk.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeAuthority, makeServerCertificate } from "../src/tls/certificates.ts";
import { makeTarball } from "../test/support/tarballs.ts";
import { startBareFastify, startNginxForHex, startOursForHex, type HexPeer } from "./support/hex-peers.ts";
import { residentMiB } from "./support/measure.ts";
import { printTable, shownRatios } from "./support/table.ts";
import { load, type Load } from "./support/wrk.ts";

const rounds = Number(process.argv[2] ?? 3);
const seconds = 2;
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const mirror = join(root, "mirror");
const peers: HexPeer[] = [];

interface Scenario {
  readonly name: string;
  readonly path: string;
  readonly isTls?: true;
  /** Whether it only asks if the file has changed. */
  readonly isConditional?: true;
  readonly connections: number;
}

try {
  await measure();
} finally {
  await Promise.all(peers.map((peer) => peer.stop()));
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const large = makeMirror();
  const [key, cert] = [join(root, "server.key"), join(root, "server.pem")];
  const pair = makeServerCertificate(makeAuthority(["localhost"], new Date()), ["localhost", "127.0.0.1"], new Date());
  writeFileSync(key, pair.key);
  writeFileSync(cert, pair.cert);
  const served = { hexDir: join(mirror, "hex"), cert, key, processes: 1 };
  const start = async (starting: Promise<HexPeer>) => {
    const peer = await starting;
    peers.push(peer);
    return peer;
  };
  const nginx = await start(startNginxForHex({ ...served, dir: join(root, "nginx") }));
  const fastify = await start(startBareFastify({ ...served, dir: join(root, "fastify") }));
  const ours = await start(startOursForHex({ ...served, dir: join(root, "ours") }, mirror));
  const [pid = 0] = ours.pids();
  await pause(30_000);
  const idle = residentMiB(pid);

  const size = statSync(join(mirror, "hex/tarballs", large)).size;
  const tarballName = `tarball of ${Math.round(size / 1000)} kB`;
  const files = { record: "/packages/package1", tarball: `/tarballs/${large}` };
  const scenarios: Scenario[] = [1, 8, 64].flatMap((connections) => [
    { name: "record", path: files.record, connections },
    { name: "record, unchanged (304)", path: files.record, isConditional: true, connections },
    { name: tarballName, path: files.tarball, connections },
    { name: "record, HTTPS", path: files.record, isTls: true, connections },
    { name: `${tarballName}, HTTPS`, path: files.tarball, isTls: true, connections },
  ]);
  const rows = [["what", "connections", "ours / nginx", "bare Fastify / nginx", "ours p50, p99", "nginx p50, p99"]];
  for (const scenario of scenarios) rows.push(await compare(scenario, { ours, nginx, fastify }));

  const ours2 = await start(startOursForHex({ ...served, processes: 2, dir: join(root, "ours2") }, mirror));
  const nginx2 = await start(startNginxForHex({ ...served, processes: 2, dir: join(root, "nginx2") }));
  for (const path of [files.record, files.tarball]) {
    const name = `${path === files.record ? "record" : tarballName}, --workers 2, nginx with 2`;
    rows.push(await compare({ name, path, connections: 64 }, { ours: ours2, nginx: nginx2 }));
  }
  const health = await load({ url: `${ours.url}/health`, connections: 8, seconds });
  rows.push(["/health, requests a second", "8", "", "", `${Math.round(health.perSecond)}`, ""]);
  rows.push(["memory when idle, MiB", "", "", "", idle.toFixed(0), ""]);
  rows.push(["memory after all of this, MiB", "", "", "", residentMiB(pid).toFixed(0), ""]);
  printTable(rows);
}

async function compare(
  { name, path, isTls, isConditional, connections }: Scenario,
  { ours, nginx, fastify }: { ours: HexPeer; nginx: HexPeer; fastify?: HexPeer },
): Promise<string[]> {
  const run = async (peer: HexPeer): Promise<Load> => {
    const headers = isConditional ? { "if-none-match": await etagOf(peer, path) } : {};
    return load({ url: (isTls ? peer.tlsUrl : peer.url) + path, connections, seconds, headers });
  };
  // Once for nothing: what is measured is a server that has been asked before.
  for (const peer of [ours, nginx, ...(fastify === undefined ? [] : [fastify])]) {
    await load({ url: (isTls ? peer.tlsUrl : peer.url) + path, connections, seconds: 1 });
  }
  const results: { ours: Load; nginx: Load; fastify: Load | undefined }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    results.push({
      nginx: await run(nginx),
      ours: await run(ours),
      fastify: fastify === undefined ? undefined : await run(fastify),
    });
  }
  const against = (pick: (result: (typeof results)[number]) => Load | undefined) =>
    shownRatios(results.map((result) => (pick(result)?.perSecond ?? Number.NaN) / result.nginx.perSecond));
  const latency = (pick: (result: (typeof results)[number]) => Load) =>
    `${median(results.map((result) => pick(result).p50))}, ${median(results.map((result) => pick(result).p99))} ms`;
  return [
    name,
    String(connections),
    against((result) => result.ours),
    fastify === undefined ? "" : against((result) => result.fastify),
    latency((result) => result.ours),
    latency((result) => result.nginx),
  ];
}

function median(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(2);
}

async function etagOf(peer: HexPeer, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(`${peer.url}${path}`, { method: "GET", agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.headers.etag ?? ""));
    })
      .on("error", reject)
      .end();
  });
}

/** 34 packages, as a Phoenix app has them, one of them large. @returns the large one's file */
function makeMirror(): string {
  const dir = join(mirror, "hex/tarballs");
  mkdirSync(dir, { recursive: true });
  for (let n = 0; n < 34; n += 1)
    writeFileSync(join(dir, `package${n}-1.0.0.tar`), tarball(n, n === 0 ? 337_920 : 70_000));
  execFileSync(process.execPath, [main, "build", "--mirror", mirror, "--cache-dir", join(root, "cache")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return "package0-1.0.0.tar";
}

function tarball(n: number, bytes: number): Buffer {
  // A line of some thirteen characters becomes eight bytes.
  const text = Array.from({ length: Math.ceil(bytes / 8) }, () => Math.random().toString(36).slice(2)).join("\n");
  return makeTarball({ name: `package${n}`, version: "1.0.0", requirements: [], files: { "lib/a.ex": text } }).bytes;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
