/**
 * When the mirror was last synced. It stands beside the writers' lock, which belongs to this machine: the rest of the
 * folder knows no clock, so that a sync that changes nothing changes no byte.
 */
import type { StorePaths } from "./paths.ts";

/** undefined: never, or on another machine. */
export async function readLastSync(paths: StorePaths): Promise<Date | undefined> {
  const text = (await paths.lastSync.read().catch(() => undefined))?.toString("utf8") ?? "";
  const time = Date.parse(text.trim());
  return Number.isNaN(time) ? undefined : new Date(time);
}

export async function writeLastSync(paths: StorePaths, now: Date): Promise<void> {
  await paths.lastSync.write(`${now.toISOString()}\n`);
}
