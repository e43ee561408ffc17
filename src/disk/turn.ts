/**
 * Turns of the event loop. All that one poll of the system brought is handled in one turn, and was sent before the turn
 * began: what was looked at once in it was looked at after each of these requests was made. So a look at the disk can be
 * shared by them, and a change is still seen by the first request that is made after it.
 */
let current = 0;
let isCounting = false;

/** Another number in each turn. */
export function turn(): number {
  if (!isCounting) {
    isCounting = true;
    // Comes when this poll's callbacks are done, and before the next poll.
    setImmediate(() => {
      isCounting = false;
      current += 1;
    });
  }
  return current;
}

/** What was found in this turn, for all that it brought. Keep nothing in it that was not there: it may come in the same turn. */
export class TurnMemory<T> {
  private readonly known = new Map<string, T>();
  private foundIn = -1;

  get(key: string): T | undefined {
    const now = turn();
    if (this.foundIn !== now) this.known.clear();
    this.foundIn = now;
    return this.known.get(key);
  }

  /** After `get` of the same key, in the same turn or later. @returns `found` */
  set(key: string, found: T): T {
    if (this.foundIn === turn()) this.known.set(key, found);
    return found;
  }
}
