/** One run of the program that is killed somewhere: where, and what it left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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
  readonly wasKilled: boolean;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** @param point undefined: it is let alone */
export async function runTo(point: Point | undefined, { cwd, env, args, use }: Running): Promise<Ended> {
  const where = {
    ...(point === undefined ? {} : { END_AT: String(point.at), END_AFTER: String(point.after) }),
    END_REPORT: join(cwd, "report.json"),
  };
  const began = Date.now();
  const child = spawn(process.execPath, ["--require", preload, main, ...args], { cwd, env: { ...env, ...where } });
  child.stdin.end();
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const port = portOf(child.stdout);
  port.catch(() => undefined);
  const stop = () => void child.kill("SIGTERM");
  // Whoever is asked for something and killed meanwhile gives no answer.
  const using = use?.({ port, said: () => stderr }).then(stop, stop);
  const [code, signal] = await ended;
  await using;
  // Git may outlive it, and holds these.
  child.stdout.destroy();
  child.stderr.destroy();
  return { code, wasKilled: signal === "SIGKILL", stderr, milliseconds: Date.now() - began };
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
