/**
 * The one door to child processes: git, with an argument array, an environment made here, a group of its own that is
 * ended as a whole, and stderr that is kept and never mixed with output.
 */
import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { MirrorError } from "../errors.ts";
import { onAbort } from "../listeners.ts";
import { redactUrl } from "../names/git-url.ts";
import { readTransferTrace, traceVariables, type TransferListener } from "./transfer-trace.ts";
import { goLast } from "./go-last.ts";

/** What git sees of the world: variables, and a working folder with nothing in or above it. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Whether whoever answers clients goes first. */
  readonly isBackground?: boolean;
}

export interface RunOptions extends Surroundings, TransferListener {
  readonly input?: Buffer | string;
  readonly signal?: AbortSignal | undefined;
  /** Seconds without a byte on stdout or stderr after which git is taken for stuck; absent: it may be silent for long. */
  readonly idleSeconds?: number;
  /** Told of each line on stderr, which is where git reports progress. */
  readonly onStderr?: ((line: string) => void) | undefined;
  /** Told of each chunk on stdout, which is then not collected. */
  readonly onStdout?: (chunk: Buffer) => void;
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export type GitChild = ChildProcessByStdio<Writable, Readable, Readable>;
/** One whose output may go to a file. */
export type WritingGit = ChildProcessByStdio<Writable, Readable | null, Readable>;

// What to use instead of a switch that turns verification off.
const trustRemedy =
  "if it is right, name its authority: GIT_SSL_CAINFO=FILE, or git config http.https://HOST/.sslCAInfo FILE";
const isProgress = /^remote: (?:\w+ objects:|Total )/;
/** Whether git can tell of its transfers while they last. */
export const canTrace = process.platform !== "win32";
/** For who asks upstream: transfers end earlier by their own pace (environment.ts), other silence of git's by this. */
export const upstreamIdleSeconds = 600;
// Enough for any message, and a bound on what a chatty remote can make us keep.
const maxStderr = 64 * 1024;

/**
 * Starts git in a process group of its own. The caller owns its streams and its end.
 * @param descriptors pipes beyond the usual three
 */
export function startGit(
  args: readonly string[],
  surroundings: Surroundings,
  descriptors: readonly "pipe"[] = [],
): GitChild {
  return start(args, surroundings, ["pipe", "pipe", "pipe", ...descriptors]) as GitChild;
}

/** The same, with stdout where it is wanted. @param stdout a descriptor of a file that is open */
export function startWriting(args: readonly string[], surroundings: Surroundings, stdout: number | "pipe"): WritingGit {
  return start(args, surroundings, ["pipe", stdout, "pipe"]) as WritingGit;
}

function start(
  args: readonly string[],
  { env, cwd, isBackground = false }: Surroundings,
  stdio: ("pipe" | number)[],
): ChildProcess {
  const child = spawn("git", args, {
    env: { ...env },
    cwd,
    stdio,
    // A group leader also has no terminal, so neither git nor ssh can prompt. Windows has no groups.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  // Out of file descriptors or processes, Node gives a child without streams, and its error later.
  if ((child as Partial<GitChild>).stderr !== undefined) {
    if (isBackground) goLast(child.pid);
    return child;
  }
  child.on("error", () => undefined);
  throw new MirrorError("busy", "the system has no room for another process; try again in a moment");
}

/** Ends the child and every process that it started. */
export function endGit(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

/** Runs git to its end, whatever its exit code. @throws MirrorError `git`, `cancelled` */
export async function tryGit(args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { signal, idleSeconds } = options;
  throwIfStopped(signal);
  const child = startTraced(args, options);
  const output: Buffer[] = [];
  let stderr = "";
  let stuck = false;
  const end = () => {
    stuck = true;
    endGit(child);
  };
  const idle = idleSeconds === undefined ? undefined : setTimeout(end, idleSeconds * 1000);
  const stopListening = onAbort(signal, () => endGit(child));

  child.stdout.on("data", (chunk: Buffer) => {
    idle?.refresh();
    if (options.onStdout === undefined) output.push(chunk);
    else options.onStdout(chunk);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    idle?.refresh();
    const text = chunk.toString("utf8");
    stderr = (stderr + text).slice(-maxStderr);
    for (const line of text.split(/[\r\n]+/)) if (line !== "") options.onStderr?.(line);
  });
  // A child that ends early closes the pipe; its exit code tells the story.
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");

  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (cause) => reject(cannotStart(cause)));
      child.once("close", resolve);
    });
    throwIfStopped(signal);
    if (stuck) throw new MirrorError("git", `git ${args[0]} did nothing for ${idleSeconds} s and was ended`);
    return { code, stdout: Buffer.concat(output), stderr: redactUrl(stderr) };
  } finally {
    clearTimeout(idle);
    stopListening();
    endGit(child);
  }
}

/** With its trace of HTTP on a descriptor of its own, where somebody wants to know and the system has such. */
function startTraced(args: readonly string[], options: RunOptions): GitChild {
  const { onStatus, onLogin, env } = options;
  if ((onStatus === undefined && onLogin === undefined) || !canTrace) return startGit(args, options);
  const child = startGit(args, { ...options, env: { ...env, ...traceVariables(3) } }, ["pipe"]);
  const trace = readTransferTrace({ onStatus, onLogin });
  const pipe = child.stdio[3] as Readable | null | undefined;
  pipe?.on("data", (chunk: Buffer) => trace.read(chunk.toString("latin1")));
  pipe?.on("error", () => undefined);
  return child;
}

/**
 * Runs git and returns its output as Latin-1 text: names of refs are bytes, and need be no UTF-8.
 * @throws MirrorError with git's own words where it fails
 */
export async function runGit(args: readonly string[], options: RunOptions): Promise<string> {
  const { code, stdout, stderr } = await tryGit(args, options);
  if (code !== 0) throw classifyFailure(args, code, stderr);
  return stdout.toString("latin1");
}

/** Whether git says that it does not trust whom it reached; repositories may be called by such words as well. */
export function isUntrusted(stderr: string): boolean {
  const words = stderr
    .split(/\s/)
    .filter((word) => !word.includes("://"))
    .join(" ");
  return /SSL certificate problem|certificate verif\w+ failed|unable to get local issuer|self.signed certificate|certificate (?:has expired|subject name|CAfile)|no alternative certificate|error setting certificate|server certificate/i.test(
    words,
  );
}

/** Pure: git's exit and words → one of our errors. */
export function classifyFailure(args: readonly string[], code: number | null, stderr: string): MirrorError {
  const words = stderr
    .split(/[\r\n]+/)
    .filter((line) => /^(?:fatal|error|remote):/.test(line) && !isProgress.test(line))
    .join("; ");
  const said = words === "" ? `exit code ${code}` : words;
  const is = (pattern: RegExp) => pattern.test(stderr);
  const data = { stderr };
  if (isUntrusted(stderr)) {
    return new MirrorError("upstream", `git does not trust the server's certificate: ${said}; ${trustRemedy}`, {
      data,
    });
  }
  if (is(/could not read Username|Authentication failed|terminal prompts disabled|Permission denied \(publickey/i)) {
    const hint = "it is not there, or private: set up git's own credentials for it";
    return new MirrorError("upstream", `the server wants a login (${hint}): ${said}`, { data });
  }
  if (is(/repository .* not found|does not appear to be a git repository|error: 404/i)) {
    return new MirrorError("not_found", `the repository is not there: ${said}`, { data });
  }
  if (is(/Could not resolve host|Connection (?:refused|timed out|reset)|unable to access|early EOF|hung up/i)) {
    return new MirrorError("upstream", `git cannot reach the server: ${said}`, { data });
  }
  return new MirrorError("git", `git ${args.find((arg) => !arg.startsWith("-")) ?? ""} failed: ${said}`, { data });
}

/** What git wrote of a run that failed; empty where it did not come to that. */
export function stderrOf(error: unknown): string {
  return error instanceof MirrorError ? ((error.data as { readonly stderr?: string }).stderr ?? "") : "";
}

function cannotStart(cause: NodeJS.ErrnoException): MirrorError {
  const why = cause.code === "ENOENT" ? "git is not installed, or not in PATH" : "git cannot be started";
  return new MirrorError("git", why, { cause });
}

function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new MirrorError("cancelled", "git was ended because the work was stopped", { cause: signal.reason });
}
