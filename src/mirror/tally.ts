/** Counts what goes by on its way to the reporter. */
import { idOf, type Item } from "../names/item.ts";
import type { Brought, Reporter } from "../reporter.ts";
import { MirrorError, describeError, type ErrorCode } from "../errors.ts";
import { troubleOf, type TroubleKind } from "../upstream/trouble.ts";

export interface Totals {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Received. */
  readonly bytes: number;
  readonly failed: readonly Failure[];
}

export interface Failure {
  readonly item: Item;
  readonly error: string;
  /** What went wrong with asking, or the error's code; undefined: a fault of ours. */
  readonly cause?: TroubleKind | ErrorCode | undefined;
  /** Whom it is about, where it is about somebody. */
  readonly host?: string;
}

export class Tally implements Reporter {
  private readonly to: Reporter;
  private readonly counts = { added: 0, updated: 0, unchanged: 0, bytes: 0 };
  readonly failures: Failure[] = [];
  /** What upstream does not have, as it says, by id. */
  private readonly notFound = new Set<string>();

  constructor(to: Reporter) {
    this.to = to;
  }

  begin(count: number): void {
    this.to.begin(count);
  }

  done(brought: Brought): void {
    if (brought.outcome !== "none") this.counts[brought.outcome] += 1;
    this.to.done(brought);
  }

  failed(item: Item, error: unknown): void {
    if (error instanceof MirrorError && error.code === "not_found") this.notFound.add(idOf(item));
    const trouble = troubleOf(error);
    const cause = error instanceof MirrorError ? error.code : undefined;
    this.failures.push({
      item,
      error: describeError(error),
      ...(trouble === undefined ? { cause } : { cause: trouble.kind, host: trouble.host }),
    });
    this.to.failed(item, error);
  }

  // Passed on as a function of its own, so it must not depend on `this` being bound.
  readonly received = (bytes: number): void => {
    this.counts.bytes += bytes;
    this.to.received(bytes);
  };

  /** Likewise. */
  readonly asked = (host: string, isAnswered: boolean): void => this.to.asked(host, isAnswered);

  progress(item: Item, text: string): void {
    this.to.progress(item, text);
  }

  note(text: string, item?: Item): void {
    this.to.note(text, item);
  }

  warn(text: string, item?: Item): void {
    this.to.warn(text, item);
  }

  isNotFound(item: Item): boolean {
    return this.notFound.has(idOf(item));
  }

  result(): Totals {
    return { ...this.counts, failed: this.failures };
  }
}
