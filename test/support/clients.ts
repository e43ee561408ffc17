/** Real clients, where they are installed; tests say plainly what they skipped elsewhere. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export function isInstalled(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore", timeout: 60_000 }).status === 0;
}

export interface ClientRun {
  readonly code: number | null;
  /** All of its standard output, then all of its standard error: in what order two pipes are read is left to chance. */
  readonly output: string;
}

export async function runClient(
  program: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<ClientRun> {
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, output: stdout + stderr };
}

/** The folder that holds Hex's archive, for MIX_ARCHIVES: tests give Mix a home of its own. undefined: no Hex here. */
export function hexArchives(): string | undefined {
  const script =
    "Application.ensure_all_started(:mix); path = Mix.path_for(:archives); " +
    'with {:ok, names} <- File.ls(path), true <- Enum.any?(names, &String.starts_with?(&1, "hex")), do: IO.write(path)';
  const { status, stdout } = spawnSync("elixir", ["-e", script], { encoding: "utf8", timeout: 60_000 });
  return status === 0 && stdout !== "" ? stdout : undefined;
}

/**
 * From 1.15 on Mix downloads rebar3 in the middle of `deps.get` when a dependency needs it and none is installed: tests
 * of anything else give it the machine's own.
 */
export function rebar3ForMix(): Record<string, string> {
  const { stdout } = spawnSync("sh", ["-c", "command -v rebar3"], { encoding: "utf8" });
  return stdout === "" ? {} : { MIX_REBAR3: stdout.trim() };
}

/** Resolves github.com to a mirror's HTTPS listener, whatever its port: what an alias in compose does. @param ca PEM file */
export function githubAt(tlsPort: number, ca: string): Record<string, string> {
  return {
    GIT_SSL_CAINFO: ca,
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: `url.https://github.com:${tlsPort}/.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/",
    GIT_CONFIG_KEY_1: "http.curloptResolve",
    GIT_CONFIG_VALUE_1: `github.com:${tlsPort}:127.0.0.1`,
  };
}
