/**
 * npm run bench -- bad-network [SEEDS] [AT_ONCE] [MIX]    one sync of 100 packages and 10 git repositories, in bad networks
 *
 * Of all answers 30 % go wrong: by one kind of fault, and by all kinds, divided evenly. For each seed, one command has to
 * bring everything; then everything that is held is hashed, and each tarball compared with upstream's. Bytes are those of
 * answers, as a multiple of what a good network needs.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import pLimit from "p-limit";
import { makeTarball, mixLock, type MadeTarball } from "../test/support/tarballs.ts";
import { faults, startBadNetwork, type Fault } from "../test/support/bad-network.ts";
import { makeHexFiles } from "../test/support/hex-files.ts";
import { printTable } from "./support/table.ts";

const seeds = Number(process.argv[2] ?? 20);
const atOnce = pLimit(Number(process.argv[3] ?? 8));
const only = process.argv[4];
const share = 0.3;

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const env = { PATH: process.env["PATH"] ?? "", HOME: root, GIT_CONFIG_NOSYSTEM: "1" };
const mixes: Readonly<Record<string, readonly Fault[]>> = {
  ...Object.fromEntries(faults.map((fault) => [fault, [fault]])),
  "all mixed": faults,
};

interface Run {
  readonly isDone: boolean;
  readonly damaged: number;
  readonly bytes: number;
  readonly bad: number;
  readonly seconds: number;
}

interface Upstream {
  readonly tarballs: readonly MadeTarball[];
  readonly files: ReadonlyMap<string, Buffer>;
  readonly gitRoot: string;
  readonly commits: readonly string[];
}

try {
  await measure();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const upstream = await makeUpstream();
  const good = await run(upstream, [], 0);
  if (!good.isDone) throw new Error("even a good network brings nothing");
  const rows: string[][] = [];
  for (const [name, mix] of Object.entries(mixes)) {
    if (only !== undefined && only !== name) continue;
    const all = Array.from({ length: seeds }, (_, seed) => atOnce(async () => run(upstream, mix, seed + 1)));
    const runs = await Promise.all(all);
    const bytes = runs.map((each) => each.bytes / good.bytes).toSorted((a, b) => a - b);
    const seconds = runs.map((each) => each.seconds).toSorted((a, b) => a - b);
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
    rows.push([
      name,
      `${runs.filter(({ isDone }) => isDone).length} of ${runs.length}`,
      String(sum(runs.map(({ bad }) => bad))),
      String(sum(runs.map(({ damaged }) => damaged))),
      (bytes[Math.floor(bytes.length / 2)] ?? Number.NaN).toFixed(2),
      (bytes.at(-1) ?? Number.NaN).toFixed(2),
      `${Math.round(seconds[0] ?? 0)} to ${Math.round(seconds.at(-1) ?? 0)}`,
    ]);
    process.stderr.write(`${rows.at(-1)?.join("  ")}\n`);
  }
  printTable([["30 % of answers", "exit 0", "bad answers", "damaged", "bytes ×", "most", "seconds"], ...rows]);
}

async function run(upstream: Upstream, mix: readonly Fault[], seed: number): Promise<Run> {
  const folder = mkdtempSync(join(root, "run-"));
  const network = await startBadNetwork({ ...upstream, mix, share: mix.length === 0 ? 0 : share, seed });
  const git = upstream.commits.map(
    (commit, n) => `"git${n}": {:git, "${network.url}/git/o/r${n}.git", "${commit}", []}`,
  );
  writeFileSync(join(folder, "mix.lock"), mixLock(upstream.tarballs, git));
  const began = performance.now();
  const key = join(root, "upstream.pem");
  const synced = await mirrorServer(folder, ["sync", "--hex-url", network.url, "--hex-public-key", key]);
  const seconds = (performance.now() - began) / 1000;
  network.close();
  if (synced.code !== 0) process.stderr.write(`${mix.join(", ")}, seed ${seed}:\n${synced.said}\n`);
  const deep = await mirrorServer(folder, ["verify", "--deep", "--hex-public-key", key]);
  if (synced.code === 0 && deep.code !== 0) process.stderr.write(`seed ${seed}, verify: ${deep.said}\n`);
  const result = {
    isDone: synced.code === 0 && deep.code === 0,
    damaged: damagedIn(join(folder, ".mirror"), upstream.tarballs),
    bytes: network.bytes(),
    bad: network.answers().bad,
    seconds,
  };
  rmSync(folder, { recursive: true });
  return result;
}

/** Tarballs that are not upstream's, and whatever `verify --deep` put aside. */
function damagedIn(mirror: string, tarballs: readonly MadeTarball[]): number {
  const isOther = ({ name, version, bytes }: MadeTarball) => {
    const file = join(mirror, "hex", "tarballs", `${name}-${version}.tar`);
    return existsSync(file) && !readFileSync(file).equals(bytes);
  };
  const quarantine = join(mirror, "quarantine");
  return tarballs.filter(isOther).length + (existsSync(quarantine) ? readdirSync(quarantine).length : 0);
}

async function mirrorServer(cwd: string, args: readonly string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [main, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [out, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return {
    code,
    said:
      said
        .split("\n")
        .filter((line) => !line.startsWith("["))
        .join("\n") + out,
  };
}

async function makeUpstream(): Promise<Upstream> {
  const tarballs = Array.from({ length: 100 }, (_, n) =>
    makeTarball({
      name: `package${n}`,
      version: "1.0.0",
      files: { "src/a.erl": randomBytes(15_000).toString("base64") },
    }),
  );
  const { files, publicKey } = await makeHexFiles(tarballs);
  writeFileSync(join(root, "upstream.pem"), publicKey);
  const gitRoot = join(root, "git");
  const commits = Array.from({ length: 10 }, (_, n) => makeRepository(join(gitRoot, "o", `r${n}.git`)));
  return { tarballs, files, gitRoot, commits };
}

/** @returns its commit */
function makeRepository(dir: string): string {
  mkdirSync(dir, { recursive: true });
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: dir,
      encoding: "utf8",
      env: {
        ...env,
        GIT_AUTHOR_NAME: "A",
        GIT_AUTHOR_EMAIL: "a@example.invalid",
        GIT_COMMITTER_NAME: "A",
        GIT_COMMITTER_EMAIL: "a@example.invalid",
      },
    }).trim();
  git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(dir, "data"), randomBytes(15_000));
  git("add", "--all");
  git("commit", "--quiet", "--message", "first");
  return git("rev-parse", "HEAD");
}
