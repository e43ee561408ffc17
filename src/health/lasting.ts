/** What is so for a moment while somebody writes is no problem; what stays so is one. */
import type { Problem } from "./problem.ts";

// Milliseconds: a package lands within some hundred.
const longest = 1500;

export class Lasting {
  private since = new Map<string, number>();

  /** Whether something was left out the last time, or would have been. */
  hasPassing(): boolean {
    return this.since.size > 0;
  }

  of(problems: readonly Problem[]): Problem[] {
    const now = performance.now();
    const since = new Map<string, number>();
    const lasting = problems.filter((problem) => {
      if (problem.isPassing !== true) return true;
      const key = `${problem.kind} ${problem.subject} ${problem.text}`;
      const first = this.since.get(key) ?? now;
      since.set(key, first);
      return now - first >= longest;
    });
    this.since = since;
    return lasting;
  }
}
