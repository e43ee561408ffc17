/** Arguments in, exit code out. Signals are heard here; nothing else ends the process. */
import { constants } from "node:os";
import { CommanderError } from "commander";
import { createProgress, type Progress } from "./progress.ts";
import { parseCommandLine } from "./program.ts";
import { MirrorError, describeError, hasErrno, outcomeOf } from "../errors.ts";
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
  const handOverSignals = (hear: (name: NodeJS.Signals) => void) => {
    onSignal = hear;
    return () => (onSignal = undefined);
  };
  let progress: Progress | undefined;
  const output = (text: string) => void process.stdout.write(text);
  try {
    const asked = await parseCommandLine(argv);
    if (asked === undefined) return 0;
    // Whoever asks for help or the version has no use for the rest.
    const { run, processEnvironment, textFor } = await import("./run.ts");
    if ("what" in asked) {
      output(await textFor(asked));
      return 0;
    }
    progress = createProgress({
      write: (text) => process.stderr.write(text),
      isTerminal: process.stderr.isTTY,
      isQuiet: asked.flags["quiet"] === true,
      columns: () => process.stderr.columns ?? 80,
      now: () => Date.now(),
    });
    const tools = {
      isTerminal: process.stderr.isTTY,
      isOutputTerminal: process.stdout.isTTY,
      cwd: process.cwd(),
      environment: processEnvironment(),
      output,
      progress,
      tell,
      handOverSignals,
    };
    return await run(asked, { ...tools, signal: stop.signal });
  } catch (error) {
    progress?.finish();
    // Commander has printed what was wrong and how to ask for help.
    if (!(error instanceof CommanderError)) tell(describeError(error));
    const said = wordsBefore(argv);
    if (said.has("--json")) output(`${JSON.stringify(errorDocument(error), null, 2)}\n`);
    if ((said.has("--verbose") || said.has("-v")) && error instanceof Error) tell(traceOf(error));
    return error instanceof CommanderError ? 2 : outcomeOf(error).exit;
  }
}

/** What was said to us: behind `--` it is said to somebody else. */
function wordsBefore(argv: readonly string[]): ReadonlySet<string> {
  const end = argv.indexOf("--");
  return new Set(end === -1 ? argv : argv.slice(0, end));
}

/** What went wrong, in the place of the document that was asked for. */
function errorDocument(error: unknown): { readonly error: Readonly<Record<string, string>> } {
  if (error instanceof CommanderError) {
    return { error: { code: "usage", message: error.message.replace(/^error: /, "") } };
  }
  const code = error instanceof MirrorError ? error.code : "internal";
  return { error: { code, message: describeError(error) } };
}

/** Where it came from, cause by cause. */
function traceOf(error: Error): string {
  const own = (error.stack ?? "").split("\n").map((line) => line.trim());
  const cause = error.cause instanceof Error ? ["caused by", traceOf(error.cause)] : [];
  return [...own, ...cause].join("; ");
}
