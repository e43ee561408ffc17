/**
 * One writer at a time in a mirror's folder, wherever the writers run: a `sync` on the host and a `serve` in a
 * container share no process ids, so the lock is a folder whose mtime is its holder's heartbeat (proper-lockfile).
 * Readers never wait: what they read is replaced by rename.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { MirrorError, hasErrno } from "../errors.ts";

const waitSeconds = 120;
const retryMilliseconds = 500;
const maxTries = (waitSeconds * 1000) / retryMilliseconds;

export interface WritersLock {
  /** Aborted when the lock was lost, such as after the machine slept; whoever holds it must stop writing. */
  readonly signal: AbortSignal;
  readonly release: () => Promise<void>;
}

export interface LockOptions {
  /** Called once when another process holds the lock; undefined: do not wait for it. */
  readonly onWait?: (() => void) | undefined;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws MirrorError `busy`, `cancelled`, `storage` */
export async function takeWritersLock(lockDir: string, { onWait, signal }: LockOptions): Promise<WritersLock> {
  const lost = new AbortController();
  const take = () =>
    lock(lockDir, {
      lockfilePath: join(lockDir, "writer"),
      stale: 30_000,
      update: 5_000,
      onCompromised: (error) => lost.abort(new MirrorError("busy", "the mirror's lock was lost", { cause: error })),
    });
  try {
    await mkdir(lockDir, { recursive: true });
    for (let tries = 0; ; tries++) {
      const release = await take().catch((error: unknown) => {
        if (!hasErrno(error, "ELOCKED") || onWait === undefined || tries === maxTries) throw error;
      });
      if (release !== undefined) return { signal: lost.signal, release: () => release().catch(() => undefined) };
      if (tries === 0) onWait?.();
      await setTimeout(retryMilliseconds, undefined, { signal });
    }
  } catch (cause) {
    if (signal?.aborted === true)
      throw new MirrorError("cancelled", "stopped while waiting for another writer", { cause });
    if (hasErrno(cause, "ELOCKED")) {
      const since = onWait === undefined ? "is" : `has for ${waitSeconds} s been`;
      throw new MirrorError("busy", `another process ${since} writing to this mirror`, { cause });
    }
    throw new MirrorError("storage", `cannot write in ${lockDir}`, { cause });
  }
}
