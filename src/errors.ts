/**
 * The one error class. What went wrong is a `code` from a closed list; what that means to an HTTP client and to a
 * shell is looked up in one table, at the edge. An outage must never look like "not there": keep codes apart.
 */

interface Outcome {
  /** HTTP status when the error ends a request. */
  readonly status: number;
  /** Exit code when it ends a command: 1 failed, 2 wrong usage or configuration, 3 mirror incomplete or damaged. */
  readonly exit: number;
}

const outcomes = {
  usage: { status: 400, exit: 2 },
  config: { status: 500, exit: 2 },
  lock_syntax: { status: 400, exit: 2 },
  refused: { status: 403, exit: 1 },
  loop: { status: 508, exit: 1 },
  unauthorized: { status: 401, exit: 1 },
  not_found: { status: 404, exit: 1 },
  too_large: { status: 413, exit: 1 },
  malformed: { status: 400, exit: 1 },
  integrity: { status: 502, exit: 1 },
  upstream: { status: 502, exit: 1 },
  away: { status: 504, exit: 1 },
  busy: { status: 503, exit: 1 },
  git: { status: 500, exit: 1 },
  storage: { status: 500, exit: 1 },
  incomplete: { status: 500, exit: 3 },
  cancelled: { status: 503, exit: 1 },
} as const satisfies Record<string, Outcome>;

export type ErrorCode = keyof typeof outcomes;

export class MirrorError extends Error {
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  /** `message` says what happened, where, and what to do about it; it is shown to people as it stands. */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; data?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "MirrorError";
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** What `error` means at the edge; anything that is not a MirrorError is a fault of ours. */
export function outcomeOf(error: unknown): Outcome {
  return error instanceof MirrorError ? outcomes[error.code] : { status: 500, exit: 1 };
}

/** The sentence to show for any thrown value, with the causes that add something to it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? describeError(error.cause) : "";
  const own = error.message || ("code" in error ? String(error.code) : error.name);
  return cause === "" || own.includes(cause) ? own : `${own} (${cause})`;
}

/** Whether `error` is a system error with this code, such as ENOENT. */
export function hasErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
