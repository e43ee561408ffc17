/**
 * A server under everything at once: honest clients whose every request counts, clients that do what they please in a process of
 * their own, and writers that sync, build, prune and refresh git beside it. @see hostile.ts
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { request, Agent } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { buildSync } from "esbuild";
import { mirrorServer, startServer, type RunningServer } from "../cli.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../git.ts";
import { startHexUpstream } from "../hex-upstream.ts";
import { descendants } from "../processes.ts";
import { makeTarball, mixLock } from "../tarballs.ts";

export interface SoakSettings {
  readonly seconds: number;
  /** Connections that do nothing and stay. */
  readonly crowd: number;
  readonly seed: string;
  readonly options?: readonly string[];
}

export interface Soaked {
  readonly honest: number;
  /** What failed of these; none is the aim. */
  readonly failed: readonly string[];
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** By kind, how often. */
  readonly hostile: Readonly<Record<string, number>>;
  /** MiB, the mean of a sixth of the time each. */
  readonly memory: readonly number[];
  /** Until no git runs and no more files are open than before, seconds. */
  readonly idleAfter: number;
}

const source = new URL("hostile.ts", import.meta.url).pathname;
const packages = Array.from({ length: 12 }, (_, n) => makeTarball({ name: `package${n}`, version: "1.0.0" }));
const large = makeTarball({
  name: "large",
  version: "1.0.0",
  files: { "a.txt": Array.from({ length: 60_000 }, () => Math.random().toString(36)).join("\n") },
});

/** @param cwd an empty folder; what it starts ends with the test */
export async function soak(cwd: string, { seconds, crowd, seed, options = [] }: SoakSettings): Promise<Soaked> {
  const hex = await startHexUpstream([...packages, large]);
  const work = join(cwd, "upstream/owner/repo.git");
  const files = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`file${n}.txt`, `${n}\n`.repeat(500)]));
  const head = await makeRepository(work, files);
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  const env = {
    MIRROR_HEX_URL: hex.url,
    MIRROR_HEX_PUBLIC_KEY: await hex.writePublicKey(join(cwd, "upstream.pem")),
    ...redirectGit({ "https://github.com/": `${upstream.url}/` }),
  };
  const run = async (...args: string[]) => mirrorServer(args, { cwd, env });
  const lock = async (revision: string, without: number) => {
    const entry = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
    const kept = [...packages.filter((_, n) => n !== without), large];
    await writeFile(join(cwd, "mix.lock"), mixLock(kept, [entry]));
  };
  await lock(head, -1);
  const first = await run("sync");
  if (first.code !== 0) throw new Error(first.stderr);
  const server = await startServer(["--log-level", "warn", ...options], { cwd, env });
  const failed: string[] = [];
  const times: number[] = [];
  await visit(server, failed, []);
  const [before, children] = [openFiles(server), descendants(server.pid).length];
  const hostile = startHostile({
    port: server.port,
    tlsPort: server.tlsPort,
    crowd,
    seed,
    repository: "owner/repo",
    head,
  });
  const over = Date.now() + seconds * 1000;
  const isOver = () => Date.now() > over;
  const repeat = async (work: (nth: number) => Promise<void>) => {
    for (let nth = 0; !isOver(); nth += 1) await work(nth);
  };
  const memory: number[] = [];
  const write = async (nth: number) => {
    // What honest clients ask for stays; package 11 comes and goes.
    const revision = nth % 3 === 0 ? await commit(work, { "new.txt": `${nth}` }, `commit ${nth}`) : head;
    await lock(revision, nth % 2 === 0 ? 11 : -1);
    for (const job of ["sync", "prune", "build"]) {
      const { code, stderr } = await run(job);
      if (code !== 0) failed.push(`${job}: ${stderr}`);
    }
    await sleep(500);
  };
  const clone = async (nth: number) => {
    const to = join(cwd, `clone-${nth}`);
    await git(cwd, ["clone", "-q", `${server.url}/owner/repo.git`, to]).catch((error: unknown) =>
      failed.push(String(error)),
    );
    await rm(to, { recursive: true, force: true });
    await sleep(300);
  };
  await Promise.all([
    repeat(async () => visit(server, failed, times)),
    repeat(write),
    repeat(clone),
    repeat(async () => {
      memory.push(residentMiB(server.pid));
      await sleep(250);
    }),
  ]);
  const done = await hostile();
  const ended = Date.now();
  const isIdle = () => descendants(server.pid).length <= children && openFiles(server) <= before + 4;
  while (!isIdle() && Date.now() - ended < 60_000) await sleep(50);
  const idleAfter = (Date.now() - ended) / 1000;
  const code = await server.stop("SIGTERM");
  if (code !== 0) failed.push(`the server ended with ${code}`);
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor(share * sorted.length)] ?? Number.NaN) * 10) / 10;
  const figures = { p50: at(0.5), p99: at(0.99), memory: sixths(memory), idleAfter };
  return { honest: times.length, failed, hostile: done, ...figures };
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 });

/** What one honest client asks for in turn. */
async function visit({ port }: RunningServer, failed: string[], times: number[]): Promise<void> {
  const paths = ["/names", "/versions", "/health/live", "/tarballs/large-1.0.0.tar"].concat(
    packages.slice(0, 11).flatMap(({ name }) => [`/packages/${name}`, `/tarballs/${name}-1.0.0.tar`]),
    ["/owner/repo.git/info/refs?service=git-upload-pack"],
  );
  for (const path of paths) {
    const began = performance.now();
    const status = await new Promise<number | string>((resolve) => {
      const sent = request({ host: "127.0.0.1", port, path, agent }, (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
        answer.on("error", (error) => resolve(String(error)));
      });
      sent.on("error", (error) => resolve(String(error)));
      sent.end();
    });
    times.push(performance.now() - began);
    if (status !== 200) failed.push(`${path}: ${status}`);
    await sleep(5);
  }
}

/** @returns what ends it, and tells what it did */
function startHostile(given: Readonly<Record<string, unknown>>): () => Promise<Record<string, number>> {
  const { outputFiles } = buildSync({
    entryPoints: [source],
    bundle: true,
    platform: "node",
    format: "esm",
    write: false,
  });
  const program = outputFiles[0]?.text ?? "";
  const args = ["--input-type=module", "-e", program, "--", JSON.stringify(given)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const said = text(child.stdout);
  const ended = once(child, "exit");
  return async () => {
    child.kill("SIGTERM");
    await ended;
    return JSON.parse(await said) as Record<string, number>;
  };
}

function openFiles({ pid }: RunningServer): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

function sixths(values: readonly number[]): number[] {
  const size = Math.max(1, Math.floor(values.length / 6));
  return Array.from({ length: 6 }, (_, n) => {
    const part = values.slice(n * size, (n + 1) * size);
    return Math.round(part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length));
  });
}
