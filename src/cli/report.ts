/** How a command that failed says so: a sentence for people, a document for machines, its exit code for shells. */
import { CommanderError } from "commander";
import { MirrorError, describeError, outcomeOf } from "../errors.ts";

export interface ReportTools {
  /** Whether a document is wanted. */
  readonly json: boolean;
  /** Whether it is told where the error came from. */
  readonly verbose: boolean;
  /** Writes a line for people to standard error. */
  readonly tell: (text: string) => void;
  /** Standard output. */
  readonly output: (text: string) => void;
}

/** @returns the exit code */
export function report(error: unknown, { json, verbose, tell, output }: ReportTools): number {
  // Commander has printed what was wrong and how to ask for help.
  const isTold = error instanceof CommanderError;
  if (!isTold) tell(describeError(error));
  if (json) output(`${JSON.stringify(documentOf(error), null, 2)}\n`);
  if (verbose && error instanceof Error) tell(traceOf(error));
  return isTold ? 2 : outcomeOf(error).exit;
}

/** What went wrong, in the place of the document that was asked for. */
function documentOf(error: unknown): { readonly error: { readonly code: string; readonly message: string } } {
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
