/** What is so for a moment while somebody writes is no problem; what stays so is one. */
import type { Problem } from "./problem.ts";

/** Milliseconds in which files that belong together are written, one after the other. */
export const aMoment = 1500;
/**
 * Milliseconds after which somebody who brings more and more has signed what came: they pause for ten times as long as signing
 * takes (artifacts/landing.ts), so that it may take six seconds.
 */
export const untilSigned = 60_000;

export class Lasting {
  private since = new Map<string, number>();
  private told = new Set<string>();

  /** Whether something was left out the last time, or would have been. */
  hasPassing(): boolean {
    return this.since.size > 0;
  }

  /** Whether it is told: what only passes is not, until it was found by `of` for long enough. */
  isTold(problem: Problem): boolean {
    return problem.passesWithin === undefined || this.told.has(keyOf(problem));
  }

  /** @param longest nothing passes later than that; milliseconds */
  of(problems: readonly Problem[], longest = Number.POSITIVE_INFINITY): Problem[] {
    const now = performance.now();
    const since = new Map<string, number>();
    const told = new Set<string>();
    const lasting = problems.filter((problem) => {
      if (problem.passesWithin === undefined) return true;
      const key = keyOf(problem);
      const first = this.since.get(key) ?? now;
      since.set(key, first);
      if (now - first < Math.min(problem.passesWithin, longest)) return false;
      told.add(key);
      return true;
    });
    this.since = since;
    this.told = told;
    return lasting;
  }
}

function keyOf({ kind, subject, text }: Problem): string {
  return `${kind} ${subject} ${text}`;
}
