/** A process that leaves the processors to all who answer somebody. */
// A file of the system's, and no place of ours.
// oxlint-disable-next-line no-restricted-imports
import { writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";

/** What it starts later is as polite; where the system does not allow that, it is no more than less polite. */
export function goLast(pid: number | undefined): void {
  if (pid === undefined) return;
  const { PRIORITY_LOW } = constants.priority;
  ifAllowed(() => setPriority(pid, PRIORITY_LOW));
  // Linux shares processors out among sessions first, and only then among the processes of each: sched(7), autogroup.
  if (process.platform === "linux") ifAllowed(() => writeFileSync(`/proc/${pid}/autogroup`, String(PRIORITY_LOW)));
}

function ifAllowed(change: () => void): void {
  try {
    change();
  } catch {
    // The child may have ended by now, too.
  }
}
