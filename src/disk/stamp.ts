/** Is a file or folder still what it was? Whatever changes it changes its stamp, but for the lapse of a clock's tick. */
import { lstatSync, statSync, type Stats } from "node:fs";

/**
 * Some file systems tell times to two seconds, and two changes within one tick look like one: what has had the same stamp
 * for so long, by a clock that nobody sets, will have another when it changes. Milliseconds.
 */
export const settledAfter = 3000;

/** What a stamp is made of. */
export type Stamped = Pick<Stats, "ino" | "size" | "mtimeMs" | "ctimeMs">;

/** Of what lies there itself, a link too; undefined when nothing does. @throws a system error */
export function stampOf(path: Buffer | string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : stampFrom(found);
}

/** Of what a path leads to, through links; empty when nothing is there. For files that are somebody else's. */
export function stampThrough(path: string): string {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? "" : stampFrom(found);
  } catch {
    return "";
  }
}

/** When it was written, ISO 8601; undefined for what is not there, and in an image, whose files have no time. */
export function writtenAt(found: Stats | undefined): string | undefined {
  return found === undefined || found.mtimeMs === 0 ? undefined : found.mtime.toISOString();
}

/** The same question of what was looked at twice. */
export function isUnchanged(before: Stats, now: Stats): boolean {
  const isSameFile = before.ino === now.ino && before.dev === now.dev && before.mode === now.mode;
  return isSameFile && before.size === now.size && before.mtimeMs === now.mtimeMs && before.ctimeMs === now.ctimeMs;
}

/** Times in milliseconds, with a quarter of a microsecond: finer than any two changes of one file. */
export function stampFrom({ ino, size, mtimeMs, ctimeMs }: Stamped): string {
  return `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
}
