/** What is so for a moment while somebody writes is no problem; what stays so is one. */
import type { Problem } from "./problem.ts";

// Milliseconds: a package lands within some hundred.
const longest = 1500;

export class Lasting {
  private since = new Map<string, number>();
  private told = new Set<string>();

  /** Whether something was left out the last time, or would have been. */
  hasPassing(): boolean {
    return this.since.size > 0;
  }

  /** Whether it is told: what only passes is not, until it was found by `of` for long enough. */
  isTold(problem: Problem): boolean {
    return problem.isPassing !== true || this.told.has(keyOf(problem));
  }

  of(problems: readonly Problem[]): Problem[] {
    const now = performance.now();
    const since = new Map<string, number>();
    const told = new Set<string>();
    const lasting = problems.filter((problem) => {
      if (problem.isPassing !== true) return true;
      const key = keyOf(problem);
      const first = this.since.get(key) ?? now;
      since.set(key, first);
      if (now - first < longest) return false;
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
