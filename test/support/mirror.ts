/** A mirror as the program opens it, in this process, and all that it has to say. */
import { describeError } from "../../src/errors.ts";
import { loadConfig } from "../../src/config.ts";
import { openMirror, type Mirror } from "../../src/mirror/mirror.ts";
import type { Reporter } from "../../src/reporter.ts";

export interface TestMirror {
  readonly mirror: Mirror;
  /** A line for each failure, note and warning. */
  readonly said: () => string;
}

/** @param flags as options are called in the configuration */
export function openTestMirror(
  cwd: string,
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
): TestMirror {
  const said: string[] = [];
  const reporter: Reporter = {
    begin: () => undefined,
    done: () => undefined,
    received: () => undefined,
    asked: () => undefined,
    progress: () => undefined,
    failed: (item, error) => said.push(`${JSON.stringify(item)}: ${describeError(error)}`),
    note: (text) => said.push(text),
    warn: (text) => said.push(text),
  };
  const environment = { PATH: process.env["PATH"] ?? "", HOME: cwd, GIT_CONFIG_NOSYSTEM: "1", ...env };
  const config = loadConfig({ flags, environment, cwd });
  const { signal } = new AbortController();
  return { mirror: openMirror(config, { environment, reporter, signal }), said: () => said.join("\n") };
}
