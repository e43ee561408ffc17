/** What lies in a folder, each looked at once: for who looks at thousands, and again and again. */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hasErrno } from "../errors.ts";
import type { Place } from "./place.ts";
import type { Stamped } from "./stamp.ts";

/** No more than is asked of thousands: what the system tells of each takes a kilobyte. */
export interface Look extends Stamped {
  readonly isFile: boolean;
}

/**
 * By name, links as links. Empty where there is no such folder.
 * @param breathe lets others have their turn, if theirs has come @throws MirrorError `storage`, a system error
 */
export async function lookInto(folder: Place, breathe: () => Promise<void>): Promise<Map<string, Look>> {
  const found = new Map<string, Look>();
  if (folder.look()?.isDirectory() !== true) return found;
  for (const name of namesIn(folder.path)) {
    await breathe();
    const stats = lstatSync(join(folder.path, name), { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const { ino, size, mtimeMs, ctimeMs } = stats;
    found.set(name, { ino, size, mtimeMs, ctimeMs, isFile: stats.isFile() });
  }
  return found;
}

/** Whether anything lies in a folder that was looked at just now. @throws a system error */
export function isFilled({ path }: Place): boolean {
  return namesIn(path).length > 0;
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
