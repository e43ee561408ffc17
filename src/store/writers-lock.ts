/**
 * One writer at a time in a mirror's folder, wherever the writers run: a `sync` on the host and a `serve` in a
 * container share no process ids, so the lock is a folder whose mtime is its holder's heartbeat (proper-lockfile).
 * Readers never wait: what they read is replaced by rename.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import { MirrorError, hasErrno } from "../errors.ts";

const waitSeconds = 120;

export interface WritersLock {
  /** Aborted when the lock was lost, such as after the machine slept; whoever holds it must stop writing. */
  readonly signal: AbortSignal;
  readonly release: () => Promise<void>;
}

/**
 * @param onWait called once when another process holds the lock; undefined: do not wait for it
 * @throws MirrorError `busy`, `storage`
 */
export async function takeWritersLock(lockDir: string, onWait: (() => void) | undefined): Promise<WritersLock> {
  const lost = new AbortController();
  try {
    await mkdir(lockDir, { recursive: true });
    const take = (retries: number): Promise<() => Promise<void>> =>
      lock(lockDir, {
        lockfilePath: join(lockDir, "writer"),
        stale: 30_000,
        update: 5_000,
        retries: { retries, factor: 1, minTimeout: 500, maxTimeout: 500 },
        onCompromised: (error) => lost.abort(new MirrorError("busy", "the mirror's lock was lost", { cause: error })),
      });
    const release = await take(0).catch((error: unknown) => {
      if (!hasErrno(error, "ELOCKED") || onWait === undefined) throw error;
      onWait();
      return take(waitSeconds * 2);
    });
    return { signal: lost.signal, release: () => release().catch(() => undefined) };
  } catch (cause) {
    if (hasErrno(cause, "ELOCKED")) {
      const since = onWait === undefined ? "is" : `has for ${waitSeconds} s been`;
      throw new MirrorError("busy", `another process ${since} writing to this mirror`, { cause });
    }
    throw new MirrorError("storage", `cannot write in ${lockDir}`, { cause });
  }
}
