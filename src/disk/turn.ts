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
