/** Counts what goes by on its way to the reporter. */
import { MirrorError, describeError } from "../errors.ts";
import type { Reporter } from "./reporter.ts";

export interface Totals {
  readonly added: number;
  readonly updated: number;
  readonly unchanged: number;
  /** Received. */
  readonly bytes: number;
  readonly failed: readonly { readonly item: string; readonly error: string }[];
}

export class Tally implements Reporter {
  private readonly to: Reporter;
  private readonly counts = { added: 0, updated: 0, unchanged: 0, bytes: 0 };
  readonly failures: { item: string; error: string }[] = [];
  /** What upstream does not have, as it says. */
  readonly notFound = new Set<string>();

  constructor(to: Reporter) {
    this.to = to;
  }

  begin(total: number): void {
    this.to.begin(total);
  }

  done(item: string, outcome: "added" | "updated" | "unchanged", bytes: number): void {
    this.counts[outcome] += 1;
    this.to.done(item, outcome, bytes);
  }

  failed(item: string, error: unknown): void {
    if (error instanceof MirrorError && error.code === "not_found") this.notFound.add(item);
    this.failures.push({ item, error: describeError(error) });
    this.to.failed(item, error);
  }

  // Passed on as a function of its own, so it must not depend on `this` being bound.
  readonly received = (bytes: number): void => {
    this.counts.bytes += bytes;
    this.to.received(bytes);
  };

  progress(item: string, text: string): void {
    this.to.progress(item, text);
  }

  note(text: string): void {
    this.to.note(text);
  }

  result(): Totals {
    return { ...this.counts, failed: this.failures };
  }
}
