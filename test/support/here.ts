/**
 * Runs a command in this process: its arguments, its configuration, its output, without the start of a program, which takes
 * longer than most commands. What is about the program itself (signals, pipes, its start) is tested with cli.ts.
 */
import { CommanderError } from "commander";
import { join } from "node:path";
import { parseCommandLine } from "../../src/cli/program.ts";
import { createProgress } from "../../src/cli/progress.ts";
import { run } from "../../src/cli/run.ts";
import { describeError, outcomeOf } from "../../src/errors.ts";
import { printable } from "../../src/text.ts";
import type { RunOutput } from "./cli.ts";

interface HereOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** @param env as for a program of its own: nothing of the machine's settings */
export async function mirrorHere(args: readonly string[], { cwd, env = {} }: HereOptions): Promise<RunOutput> {
  let stdout = "";
  let stderr = "";
  const write = (text: string) => void (stderr += text);
  const tell = (text: string) => write(`mirror-server: ${printable(text)}\n`);
  const progress = createProgress({ write, isTerminal: false, columns: () => 80, now: () => Date.now() });
  const environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: cwd,
    // The home folder of this process is the machine's.
    XDG_CACHE_HOME: join(cwd, ".cache"),
    GIT_CONFIG_NOSYSTEM: "1",
    ...env,
  };
  try {
    const invocation = await parseCommandLine(args);
    if (invocation === undefined || "what" in invocation) return { code: 0, stdout, stderr };
    const code = await run(invocation, {
      cwd,
      environment,
      progress,
      tell,
      output: (text) => void (stdout += text),
      signal: new AbortController().signal,
      handOverSignals: () => () => undefined,
      isTerminal: false,
      isOutputTerminal: false,
    });
    return { code, stdout, stderr };
  } catch (error) {
    if (error instanceof CommanderError) return { code: 2, stdout, stderr };
    progress.finish();
    tell(describeError(error));
    return { code: outcomeOf(error).exit, stdout, stderr };
  }
}
