/** One run of the program that is killed somewhere: where, and what it left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { main } from "../cli.ts";

const preload = new URL("end-at.cjs", import.meta.url).pathname;

/** Before the n-th thing that it does to the disk or starts; `after` milliseconds after it, where that is a child. */
export interface Point {
  readonly at: number;
  readonly after: number;
}

export interface Running {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** What is done with it while it runs, for what does not end by itself. */
  readonly use?: Use | undefined;
  /** What starts it: a command that takes another one as its arguments. */
  readonly under?: readonly string[] | undefined;
  /** Loaded into it before everything else. */
  readonly preloads?: readonly string[] | undefined;
}

export interface Used {
  /** @throws when it ends before it listens */
  readonly port: Promise<number>;
  /** What it has written to stderr so far. */
  readonly said: () => string;
}

export type Use = (used: Used) => Promise<void>;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** @param point undefined: it is let alone */
export async function runTo(point: Point | undefined, running: Running): Promise<Ended> {
  const where = {
    ...(point === undefined ? {} : { END_AT: String(point.at), END_AFTER: String(point.after) }),
    END_REPORT: join(running.cwd, "report.json"),
  };
  return run({ ...running, env: { ...running.env, ...where }, preloads: [preload] });
}

/** To its end, or until it was used. */
export async function run({ cwd, env, args, use, under = [], preloads = [] }: Running): Promise<Ended> {
  const began = Date.now();
  const loading = preloads.flatMap((path) => ["--require", path]);
  // `env` starts what its arguments say.
  const child = spawn("env", [...under, process.execPath, ...loading, main, ...args], { cwd, env });
  child.stdin.end();
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const port = portOf(child.stdout);
  port.catch(() => undefined);
  const stop = () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const [own] = under[0] === "unshare" ? childrenOf(child.pid) : [];
    // What makes it a machine of its own hands no signal on.
    process.kill(own ?? child.pid ?? 0, "SIGTERM");
  };
  // Whoever is asked for something and has ended meanwhile gives no answer.
  const using = use?.({ port, said: () => stderr })
    .catch(async () => Promise.race([ended, sleep(1000)]))
    .then(stop);
  const [code, signal] = await ended;
  await using;
  // Git may outlive it, and holds these.
  child.stdout.destroy();
  child.stderr.destroy();
  return { code, signal, stderr, milliseconds: Date.now() - began };
}

function childrenOf(pid: number | undefined): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  return text.split(" ").filter(Boolean).map(Number);
}

/** After a run that was let alone. */
export async function reportOf(cwd: string): Promise<{ readonly count: number; readonly children: readonly number[] }> {
  return JSON.parse(await readFile(join(cwd, "report.json"), "utf8")) as { count: number; children: number[] };
}

/** Of `serve --json`, which tells it when it listens. @throws when it ends before */
async function portOf(stdout: NodeJS.ReadableStream): Promise<number> {
  let said = "";
  for await (const chunk of stdout) {
    said += String(chunk);
    if (said.trimEnd().endsWith("}")) return (JSON.parse(said) as { port: number }).port;
  }
  throw new Error("it has ended");
}
