/**
 * What goes wrong with asking others, as data beside the sentence: who asks again, who groups failures and who gives advice
 * go by it, and by no words.
 */
import { MirrorError } from "../errors.ts";

export type TroubleKind =
  /** Nothing comes from the host. */
  | "silent"
  /** No connection: refused, no route. */
  | "unreachable"
  /** The host's name leads nowhere. */
  | "name"
  /** The connection broke. */
  | "cut"
  /** Too little of an answer arrives. */
  | "slow"
  /** The host says that it cannot answer now: 429, 5xx. */
  | "busy"
  /** Somebody on the way answered with a page of theirs. */
  | "page"
  /** What arrived is not what it should be. */
  | "damaged"
  /** The certificate is by nobody who is trusted. */
  | "trust"
  /** A proxy does not let us through. */
  | "proxy"
  /** The time for the whole job is over. */
  | "deadline";

export interface Trouble {
  readonly kind: TroubleKind;
  /** Who was asked, with its port where that is not the usual one. */
  readonly host: string;
  /** Whether it may be right the next time. */
  readonly isPassing: boolean;
  /** Seconds that upstream wants to be left alone for. */
  readonly retryAfter?: number | undefined;
  /** The host has been found to be away by others than this one alone. */
  readonly isOfHost?: boolean | undefined;
  /** And it was not asked for this at all. */
  readonly isUntried?: boolean | undefined;
}

const passing: ReadonlySet<TroubleKind> = new Set([
  "silent",
  "unreachable",
  "name",
  "cut",
  "slow",
  "busy",
  "page",
  "damaged",
]);

export function upstreamTrouble(told: Omit<Trouble, "isPassing">, message: string, cause?: unknown): MirrorError {
  const data = { trouble: makeTrouble(told) };
  return new MirrorError(told.kind === "damaged" ? "integrity" : "upstream", message, { cause, data });
}

export function makeTrouble(told: Omit<Trouble, "isPassing">): Trouble {
  return { isPassing: passing.has(told.kind), ...told };
}

/** The same error, in its own words, with what went wrong. */
export function withTrouble({ code, message, cause, data }: MirrorError, trouble: Trouble, as = code): MirrorError {
  return new MirrorError(as, message, { cause, data: { ...data, trouble } });
}

/** undefined for an error that is about something else. */
export function troubleOf(error: unknown): Trouble | undefined {
  return error instanceof MirrorError ? (error.data["trouble"] as Trouble | undefined) : undefined;
}
