/** What every command gets from the program: its configuration, and where to write. */
import type { Config } from "../config.ts";
import type { Mirror } from "../mirror/mirror.ts";

export interface CommandContext {
  readonly config: Config;
  readonly mirror: Mirror;
  readonly cwd: string;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /**
   * From now on signals are for somebody else, who is told of each.
   * @returns what takes them back
   */
  readonly handOverSignals: (onSignal: (name: NodeJS.Signals) => void) => () => void;
  /** Writes lines of the result to standard output, at once; what would steer a terminal is shown instead. */
  readonly print: (lines: readonly string[]) => void;
  /** Writes a line for people to standard error. */
  readonly tell: (text: string) => void;
  /** Likewise, as it stands. */
  readonly say: (text: string) => void;
  /** Whether standard error is somebody's terminal. */
  readonly isTerminal: boolean;
  /** Likewise standard output. */
  readonly isOutputTerminal: boolean;
  /** Writes text of our own making that a program is to read, to the letter. */
  readonly write: (text: string) => void;
}

/** @returns the exit code */
export type Command = (context: CommandContext, args: readonly string[]) => Promise<number>;

/** Prints a result as one JSON document, or as the lines that `text` makes of it. */
export function printResult<T>({ config, print }: CommandContext, result: T, text: (result: T) => string[]): void {
  print(config.json ? JSON.stringify(result, null, 2).split("\n") : text(result));
}
