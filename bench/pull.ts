/**
 * npm run bench -- pull [ROUNDS]    what it costs that a mirror fetches what it is asked for
 *
 * The first clone, and the first `mix deps.get` of 100 packages, through a mirror that is empty, against asking upstream
 * directly; and what is held, against the same mirror with --offline. In turns, in one run; the median of the rounds, and the
 * lowest. Needs nginx and fcgiwrap as upstream of git, wrk, and Mix with Hex (`mix local.hex`), whose rows are left out without.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hexArchives, isInstalled, rebar3ForMix } from "../test/support/clients.ts";
import { makeHexFiles } from "../test/support/hex-files.ts";
import { makeTarball, mixLock, type MadeTarball } from "../test/support/tarballs.ts";
import { seconds } from "./support/measure.ts";
import { startNginx, startOurs, type Peer } from "./support/peers.ts";
import { makeLargeRepository } from "./support/repositories.ts";
import { printTable, shownRatios } from "./support/table.ts";
import { load } from "./support/wrk.ts";

const rounds = Number(process.argv[2] ?? 5);
const packages = 100;
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;
const mirrors = new Set<Peer>();

try {
  await main();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const tarballs = Array.from({ length: packages }, (_, n) =>
    makeTarball({
      name: `package${n}`,
      version: "1.0.0",
      files: { "mix.exs": mixExs(`package${n}`), "lib/a.ex": `# ${randomBytes(45_000).toString("base64")}` },
    }),
  );
  const hex = await startHex(tarballs);
  const farHex = await startHex(tarballs, 20);
  const plain = join(root, "plain");
  mkdirSync(join(plain, "owner"), { recursive: true });
  makeLargeRepository(join(plain, "owner/large.git"));
  const nginx = await startNginx(join(root, "nginx"), plain, 4);
  try {
    const rows = [["through an empty mirror, × the time of asking upstream", "median (lowest)"]];
    rows.push(["the first clone, 25 MB", shownRatios(await clones(nginx, hex.flags))]);
    if (archives !== undefined) {
      rows.push(["the first mix deps.get, 100 packages", shownRatios(await gets(hex, tarballs))]);
      rows.push(["the same, upstream 20 ms away", shownRatios(await gets(farHex, tarballs))]);
    }
    rows.push(...(await held(hex.flags)));
    printTable(rows);
  } finally {
    await Promise.all([nginx, ...mirrors].map(async (peer) => peer.stop()));
    hex.close();
    farHex.close();
  }
}

/** A mirror of its own for each round. */
async function emptyMirror(name: string, flags: readonly string[], rule?: string): Promise<Peer> {
  const cwd = join(root, name);
  mkdirSync(cwd);
  const environment = {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.${rule}.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/",
  };
  Object.assign(process.env, rule === undefined ? {} : environment);
  return add(startOurs(cwd, [...flags, "--allow-hosts", "127.0.0.1"]));
}

async function add(starting: Promise<Peer>): Promise<Peer> {
  const peer = await starting;
  mirrors.add(peer);
  return peer;
}

async function stop(peer: Peer): Promise<void> {
  mirrors.delete(peer);
  await peer.stop();
}

async function clones(nginx: Peer, flags: readonly string[]): Promise<number[]> {
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const direct = await clone(`${nginx.url}/owner/large.git`);
    const ours = await emptyMirror(`clone-${round}`, flags, `${nginx.url}/`);
    const through = await clone(`${ours.url}/github.com/owner/large.git`);
    await stop(ours);
    ratios.push(through / direct);
  }
  return ratios;
}

async function clone(url: string): Promise<number> {
  const to = join(root, "clone");
  const env = { PATH: process.env["PATH"] ?? "", HOME: root };
  const time = await seconds(async () => finished("git", ["clone", "-q", "--bare", url, to], env));
  rmSync(to, { recursive: true });
  return time;
}

async function gets(hex: Hex, tarballs: readonly MadeTarball[]): Promise<number[]> {
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const direct = await depsGet(hex.url, hex.publicKey, tarballs);
    const ours = await emptyMirror(`deps-${new URL(hex.url).port}-${round}`, hex.flags);
    const key = await (await fetch(`${ours.url}/public_key`)).text();
    const through = await depsGet(ours.url, key, tarballs);
    await stop(ours);
    ratios.push(through / direct);
  }
  return ratios;
}

/** In a home and a project of its own. */
async function depsGet(url: string, publicKey: string, tarballs: readonly MadeTarball[]): Promise<number> {
  const cwd = join(root, "app");
  mkdirSync(join(cwd, "hex"), { recursive: true });
  const repos = `{'$repos',#{<<"hexpm">> => #{url => <<"${url}">>,public_key => <<"${publicKey}">>}}}.\n`;
  writeFileSync(join(cwd, "hex/hex.config"), repos);
  writeFileSync(join(cwd, "mix.exs"), mixExs("app", tarballs.map(({ name }) => `{:${name}, "1.0.0"}`).join(", ")));
  writeFileSync(join(cwd, "mix.lock"), mixLock(tarballs));
  const env = {
    PATH: process.env["PATH"] ?? "",
    LANG: "C.UTF-8",
    HOME: cwd,
    MIX_HOME: join(cwd, "mix"),
    MIX_ARCHIVES: archives ?? "",
    HEX_HOME: join(cwd, "hex"),
    HEX_BUILDS_URL: url,
    ...rebar3ForMix(),
  };
  const time = await seconds(async () => finished("mix", ["deps.get"], env, cwd));
  rmSync(cwd, { recursive: true });
  return time;
}

async function held(flags: readonly string[]): Promise<string[][]> {
  const cwd = join(root, "held");
  const pulling = await emptyMirror("held", flags);
  const paths = ["/packages/package0", "/tarballs/package0-1.0.0.tar"];
  for (const path of paths) await (await fetch(`${pulling.url}${path}`)).arrayBuffer();
  // Until the registry on the disk says so.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const offline = await add(startOurs(cwd, ["--offline"]));
  const rows: string[][] = [["held, × the time with --offline", ""]];
  for (const path of paths) {
    const ratios: number[] = [];
    const rate = async ({ url }: Peer) => (await load({ url: `${url}${path}`, connections: 8, seconds: 1 })).perSecond;
    // Short turns, many, and both ways round: a few percent are less than what a machine differs from itself.
    for (let turn = 0; turn < rounds * 2; turn++) {
      const first = await rate(offline);
      const withPull = (await rate(pulling)) + (await rate(pulling));
      ratios.push((first + (await rate(offline))) / withPull);
    }
    rows.push([path, shownRatios(ratios)]);
  }
  return rows;
}

interface Hex {
  readonly url: string;
  readonly publicKey: string;
  readonly flags: readonly string[];
  readonly close: () => void;
}

/** @param away milliseconds that an answer takes */
async function startHex(tarballs: readonly MadeTarball[], away = 0): Promise<Hex> {
  const { files, publicKey } = await makeHexFiles(tarballs);
  const pem = join(root, `upstream-${away}.pem`);
  writeFileSync(pem, publicKey);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    const answer = () =>
      response
        .writeHead(file === undefined ? 404 : 200, { etag: '"1"', "content-length": file?.length ?? 0 })
        .end(file);
    if (away === 0) answer();
    else setTimeout(answer, away);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const flags = ["--hex-url", url, "--hex-public-key", pem, "--builds-url", url];
  return { url, publicKey, flags, close: () => server.close() };
}

function mixExs(app: string, deps = ""): string {
  const name = `${app.charAt(0).toUpperCase()}${app.slice(1)}.MixProject`;
  return `defmodule ${name} do
  use Mix.Project
  def project, do: [app: :${app}, version: "1.0.0", deps: [${deps}]]
end
`;
}

async function finished(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd = root,
): Promise<void> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}`);
}
