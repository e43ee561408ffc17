/** Arguments in, exit code out. Nothing else ends the process but a second signal, and output that cannot be written (signals.ts). */
import { createProgress } from "./progress.ts";
import { parseCommandLine } from "./program.ts";
import { report } from "./report.ts";
import { hearSignals, watchOutput } from "./signals.ts";
import { printable } from "../text.ts";

function tell(text: string): void {
  process.stderr.write(`mirror-server: ${printable(text)}\n`);
}

function output(text: string): void {
  process.stdout.write(text);
}

/** @returns the exit code; what goes wrong is told on standard error */
export async function main(argv: readonly string[]): Promise<number> {
  const signals = hearSignals();
  watchOutput(tell);
  let said = wordsBeforeOthers(argv);
  try {
    const asked = await parseCommandLine(argv);
    if (asked === undefined) return 0;
    // Whoever asks for help or the version has no use for the rest.
    const { run, processEnvironment, textFor } = await import("./run.ts");
    if ("what" in asked) {
      output(await textFor(asked));
      return 0;
    }
    const { json, quiet, verbose } = asked.flags;
    said = { json: json === true, verbose: verbose === true };
    const progress = createProgress({
      write: (text) => process.stderr.write(text),
      isTerminal: process.stderr.isTTY,
      isQuiet: quiet === true,
      columns: () => process.stderr.columns ?? 80,
      now: () => Date.now(),
    });
    return await run(asked, {
      ...signals,
      isTerminal: process.stderr.isTTY,
      isOutputTerminal: process.stdout.isTTY,
      cwd: process.cwd(),
      environment: processEnvironment(),
      output,
      progress,
      tell,
    });
  } catch (error) {
    return report(error, { ...said, tell, output });
  }
}

/** What was said to us, as far as that can be told before it is understood: what follows a command of `exec` is that one's. */
function wordsBeforeOthers(argv: readonly string[]): { json: boolean; verbose: boolean } {
  const isOthers = (word: string, index: number) =>
    word === "--" || (argv[0] === "exec" && index > 0 && !word.startsWith("-"));
  const end = argv.findIndex(isOthers);
  const words = new Set(end === -1 ? argv : argv.slice(0, end));
  return { json: words.has("--json"), verbose: words.has("--verbose") || words.has("-v") };
}
