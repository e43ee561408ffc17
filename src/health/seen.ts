/** A part of what is looked at, and what was last found in it. */
import type { Pace } from "./pace.ts";

export interface Part<T> {
  /** Another when something came or went; costs a few looks at files. */
  readonly stamp: () => string;
  readonly look: (pace: Pace) => Promise<T>;
}

export class Seen<T> {
  private readonly part: Part<T>;
  private readonly whenFailed: (error: unknown) => T;
  private stamp: string | undefined;
  private found: T | undefined;
  private times = 0;
  private begun = 0;
  private newest = 0;

  constructor(part: Part<T>, whenFailed: (error: unknown) => T) {
    this.part = part;
    this.whenFailed = whenFailed;
  }

  /** undefined: it was not looked at yet. */
  get last(): T | undefined {
    return this.found;
  }

  /** How many times it was another. */
  get changes(): number {
    return this.times;
  }

  /** @param isForced whether it is looked at even if its stamp is the same */
  async look(pace: Pace, isForced: boolean): Promise<void> {
    const turn = ++this.begun;
    let stamp: string | undefined;
    let found: T;
    try {
      stamp = this.part.stamp();
      if (!isForced && stamp === this.stamp) return;
      found = await this.part.look(pace);
    } catch (error) {
      found = this.whenFailed(error);
    }
    // A slow look must not undo what a later one found.
    if (turn < this.newest) return;
    this.newest = turn;
    this.found = found;
    if (stamp !== this.stamp) this.times += 1;
    this.stamp = stamp;
  }
}
