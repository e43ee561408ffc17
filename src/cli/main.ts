/** Arguments in, exit code out. Signals are heard here; nothing else ends the process. */
import { constants } from "node:os";
import { CommanderError } from "commander";
import { createProgress } from "./progress.ts";
import { parseCommandLine } from "./program.ts";
import { describeError, hasErrno, outcomeOf } from "../errors.ts";
import { printable } from "../text.ts";

function tell(text: string): void {
  process.stderr.write(`mirror-server: ${printable(text)}\n`);
}

/** @returns the exit code; what goes wrong is told on standard error */
export async function main(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let signals = 0;
  let onSignal: ((name: NodeJS.Signals) => void) | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (onSignal !== undefined) {
        onSignal(name);
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
  const handOverSignals = (hear: (name: NodeJS.Signals) => void) => {
    onSignal = hear;
    return () => (onSignal = undefined);
  };
  try {
    const invocation = await parseCommandLine(argv);
    if (invocation === undefined) return 0;
    // Whoever asks for help or the version has no use for the rest.
    const { run, processEnvironment } = await import("./run.ts");
    const output = (text: string) => void process.stdout.write(text);
    const isTerminal = process.stderr.isTTY;
    const tools = {
      isTerminal,
      cwd: process.cwd(),
      environment: processEnvironment(),
      output,
      progress,
      tell,
      handOverSignals,
    };
    return await run(invocation, { ...tools, signal: stop.signal });
  } catch (error) {
    // Commander has printed what was wrong and how to ask for help.
    if (error instanceof CommanderError) return 2;
    progress.finish();
    tell(describeError(error));
    return outcomeOf(error).exit;
  }
}
