/** Runs the built program as users do: its own process, its own environment, its own folder. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export const main = new URL("../../dist/main.js", import.meta.url).pathname;

export interface RunOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

// Nothing of the machine's own settings: no proxy, no user's git, no MIRROR_ variable. And nobody is asked who was not named:
// tests of pulling say so themselves.
function environment(cwd: string, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: cwd, GIT_CONFIG_NOSYSTEM: "1", MIRROR_OFFLINE: "true", ...env };
}

export async function mirrorServer(args: readonly string[], { cwd, env }: RunOptions): Promise<RunOutput> {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: environment(cwd, env) });
  child.stdin.end();
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** Runs the program with a reader that closes the pipe before anything is written. @returns what it had to say */
export async function mirrorServerToClosedPipe(args: readonly string[], { cwd, env }: RunOptions): Promise<RunOutput> {
  const child = spawn(process.execPath, [main, ...args], { cwd, env: environment(cwd, env) });
  child.stdout.destroy();
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close") as Promise<[number | null]>]);
  return { code, stdout: "", stderr };
}

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly tlsPort: number;
  readonly tlsUrl: string;
  /** What it has logged so far: JSON lines. */
  readonly log: () => string;
  /** Sends a signal and resolves with the exit code. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
}

/** Starts `mirror-server serve` on free ports; it ends with the test. */
export async function startServer(args: readonly string[], { cwd, env }: RunOptions): Promise<RunningServer> {
  const child = spawn(
    process.execPath,
    [main, "serve", "--json", "--port", "0", ...(args.includes("--no-tls") ? [] : ["--tls-port", "0"]), ...args],
    { cwd, env: environment(cwd, env) },
  );
  let log = "";
  let stdout = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const closed = once(child, "close") as Promise<[number | null]>;
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await closed)[0];
  };
  onTestFinished(async () => void (await stop("SIGKILL")));
  const started = new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.trimEnd().endsWith("}")) resolve();
    });
    void closed.then(([code]) => reject(new Error(`serve ended with ${code}: ${log}`)));
  });
  await started;
  const { port, tlsPort } = JSON.parse(stdout) as { port: number; tlsPort: number };
  return {
    pid: child.pid ?? 0,
    port,
    url: `http://127.0.0.1:${port}`,
    tlsPort,
    tlsUrl: `https://127.0.0.1:${tlsPort}`,
    log: () => log,
    stop,
  };
}
