/**
 * Syncs when a lock changes, as long as a server runs: at its start, some time after the last change, one sync at a time. What
 * is held is served meanwhile. One that fails is tried again, later and later, until it succeeds or the lock changes.
 */
import { createHash } from "node:crypto";
import { watch as watchFiles } from "chokidar";
import type { Logger } from "pino";
import { describeError } from "../errors.ts";
import { readIfPresent } from "../disk/files.ts";
import type { Lock } from "../lock/entries.ts";
import type { SyncResult } from "./sync.ts";

export interface WatchedLocks {
  /** Files that are locks, or would be one if they were there. */
  readonly files: () => Promise<readonly string[]>;
  /** @throws MirrorError `usage`, `lock_syntax` */
  readonly read: () => Promise<readonly Lock[]>;
}

export interface WatchTools {
  readonly logger: Logger;
  readonly isUpToDate: (locks: readonly Lock[]) => Promise<boolean>;
  readonly sync: (locks: readonly Lock[]) => Promise<Pick<SyncResult, "failed" | "added" | "updated">>;
}

export interface LockWatch {
  /** What is wrong with the last sync, if anything. */
  readonly problem: () => string | undefined;
  /** When nothing is synced any more. */
  readonly stop: () => Promise<void>;
}

// Milliseconds: a lock is written in several steps. The system tells of no change on mounts from others, of a file that was
// away for a while, and of an app that is new in an umbrella: so its content is looked at as well.
const settleAfter = 300;
const lookEvery = 2000;
const firstRetry = 30_000;
const longestRetry = 600_000;

export async function watchLocks(locks: WatchedLocks, tools: WatchTools): Promise<LockWatch> {
  const { logger } = tools;
  let problem: string | undefined;
  let synced: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let retry = firstRetry;
  let running: Promise<void> | undefined;
  let isAgain = false;
  let isStopped = false;

  const soon = (milliseconds = settleAfter) => {
    if (isStopped) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (running === undefined) running = syncNow().finally(() => (running = undefined));
      else isAgain = true;
    }, milliseconds);
  };
  const syncNow = async (): Promise<void> => {
    isAgain = false;
    const before = await contentOf(locks);
    try {
      if (before !== synced || problem !== undefined) await syncIfNeeded();
      synced = before;
      problem = undefined;
      retry = firstRetry;
    } catch (error) {
      problem = `the locks that are watched could not be synced: ${describeError(error)}`;
      logger.error({ err: error }, problem);
      // What is wrong with the lock itself is right only when it changes.
      synced = before;
      soon(retry);
      retry = Math.min(longestRetry, retry * 2);
    }
    if (isAgain) soon();
  };
  const syncIfNeeded = async (): Promise<void> => {
    const found = await locks.read();
    if (problem === undefined && (await tools.isUpToDate(found))) return;
    logger.info({ locks: found.map(({ name }) => name) }, "syncing");
    const { failed, added, updated } = await tools.sync(found);
    if (failed.length > 0) {
      const [first] = failed;
      const more = failed.length === 1 ? "" : `, and ${failed.length - 1} more`;
      throw new Error(`${first?.error ?? ""}${more}`);
    }
    logger.info({ added, updated }, "synced");
  };

  const changed = () => {
    // A change begins anew, whatever failed before.
    retry = firstRetry;
    soon();
  };
  let seen = await contentOf(locks);
  const look = async () => {
    const now = await contentOf(locks).catch(() => seen);
    if (now !== seen) changed();
    seen = now;
  };
  const watcher = watchFiles([...(await locks.files())], { ignoreInitial: true, persistent: false });
  watcher.on("all", changed);
  // Where the system has no room for it, looking does.
  watcher.on("error", () => undefined);
  const looking = setInterval(() => void look(), lookEvery);
  soon(0);
  return {
    problem: () => problem,
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      clearInterval(looking);
      await watcher.close();
      await running;
    },
  };
}

async function contentOf({ files }: WatchedLocks): Promise<string> {
  const hash = createHash("sha256");
  for (const file of await files()) {
    const bytes = await readIfPresent(file).catch(() => undefined);
    hash
      .update(file)
      .update("\0")
      .update(bytes ?? "")
      .update("\0");
  }
  return hash.digest("hex");
}
