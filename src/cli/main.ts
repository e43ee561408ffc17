/** Arguments in, exit code out. Signals are heard here; nothing else ends the process. */
import { constants } from "node:os";
import { CommanderError } from "commander";
import { createProgress } from "./progress.ts";
import { parseCommandLine } from "./program.ts";
import { usersEnvironment } from "../clients/variables.ts";
import { loadConfig, processEnvironment } from "../config.ts";
import { describeError, hasErrno, outcomeOf } from "../errors.ts";
import { printable } from "../text.ts";
import { openMirror } from "../mirror/mirror.ts";

function tell(text: string): void {
  process.stderr.write(`mirror-server: ${printable(text)}\n`);
}

/** @returns the exit code; what goes wrong is told on standard error */
export async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let signals = 0;
  let onTerminate: (() => void) | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (onTerminate !== undefined) {
        if (name !== "SIGINT") onTerminate();
        return;
      }
      signals += 1;
      stop.abort(new Error(name));
      // Whoever asks twice does not want to wait.
      if (signals > 1) process.exit(128 + constants.signals[name]);
    });
  }
  // `mirror-server status | head` closes the pipe when it has read enough: no reason to complain.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!hasErrno(error, "EPIPE")) throw error;
    });
  }
  const progress = createProgress({
    write: (text) => process.stderr.write(text),
    isTerminal: process.stderr.isTTY,
    columns: () => process.stderr.columns ?? 80,
    now: () => Date.now(),
  });
  try {
    const invocation = await parseCommandLine(argv);
    if (invocation === undefined) return 0;
    const cwd = process.cwd();
    const environment = usersEnvironment(processEnvironment());
    const config = loadConfig({ flags: invocation.flags, environment, cwd });
    for (const warning of config.warnings) tell(warning);
    const mirror = openMirror(config, progress, stop.signal);
    try {
      const print = (lines: readonly string[]) => {
        progress.finish();
        process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(""));
      };
      const write = (text: string) => {
        progress.finish();
        process.stdout.write(text);
      };
      const command = await invocation.load();
      const handOverSignals = (terminate: () => void) => (onTerminate = terminate);
      return await command(
        { config, mirror, cwd, signal: stop.signal, handOverSignals, print, write },
        invocation.args,
      );
    } finally {
      await mirror.close();
    }
  } catch (error) {
    // Commander has printed what was wrong and how to ask for help.
    if (error instanceof CommanderError) return 2;
    progress.finish();
    tell(describeError(error));
    return outcomeOf(error).exit;
  }
}
