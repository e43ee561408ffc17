/**
 * One writer at a time in a folder, wherever the writers run: a `sync` on the host and a `serve` in a container share no
 * process ids and perhaps no clock. The lock is the folder `writer`, which appears by rename with its owner's name in it
 * and is touched every five seconds. An owner of this boot and pid namespace that is dead loses it at once; any other
 * loses it when nothing of the lock has changed for thirty seconds of the waiting one's own clock, so that no time that
 * stands in the file system counts. Readers never wait: what they read is replaced by rename.
 *
 * Why not a library: docs/decisions/0010-places.md
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { MirrorError, hasErrno } from "../errors.ts";
import { ownTag, stateOf } from "./owner.ts";
import type { Place } from "./place.ts";

const beatMilliseconds = 5_000;
const staleMilliseconds = 30_000;
// Longer without a beat, and others take the lock for abandoned.
const lostMilliseconds = 20_000;
const waitMilliseconds = 120_000;
// The lock is mostly held for some milliseconds.
const firstRetryMilliseconds = 10;
const retryMilliseconds = 50;
// Shorter waits are nobody's concern.
const tellAfterMilliseconds = 1_000;
const settleMilliseconds = 100;

export interface WritersLock {
  /** Aborted when the lock was lost, such as after the machine slept; whoever holds it must stop writing. */
  readonly signal: AbortSignal;
  readonly release: () => Promise<void>;
}

export interface LockOptions {
  /** Called once when another process has held the lock for a second; undefined: do not wait for it. */
  readonly onWait?: (() => void) | undefined;
  /** For what others are waited for, however long they live. */
  readonly isPatient?: boolean;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** Somebody's lock, as it was seen. */
interface Holder {
  readonly owner: string;
  /** Changes with every sign of life. */
  readonly beat: string;
}

/** @throws MirrorError `busy`, `cancelled`, `storage` */
export async function takeWritersLock(
  lockDir: Place,
  { onWait, isPatient = false, signal }: LockOptions,
): Promise<WritersLock> {
  const id = `${ownTag() ?? "-"} ${randomBytes(12).toString("hex")}`;
  const began = performance.now();
  let seen = { beat: "", at: began };
  let hasTold = false;
  let retry = firstRetryMilliseconds;
  let isTakenOver = false;
  for (;;) {
    if (signal?.aborted === true) throw new MirrorError("cancelled", "stopped while waiting for another writer");
    const holder = take(lockDir, id);
    const now = performance.now();
    if (holder === undefined) {
      // Of two that take over at once, one sees here that it came second.
      if (isTakenOver) await sleep(settleMilliseconds);
      if (!isTakenOver || ownerIn(lockDir) === id) return hold(lockDir, id);
    } else {
      if (holder.beat !== seen.beat) seen = { beat: holder.beat, at: now };
      const isDead = stateOf(holder.owner.split(" ", 1)[0] ?? "") === "dead" || now - seen.at > staleMilliseconds;
      isTakenOver = isDead && (await discard(lockDir, holder));
      if (isTakenOver) continue;
      if (onWait === undefined) throw new MirrorError("busy", "another process is writing to this mirror");
      if (!hasTold && now - began > tellAfterMilliseconds) {
        onWait();
        hasTold = true;
      }
    }
    if (!isPatient && now - began > waitMilliseconds) {
      throw new MirrorError("busy", `another process has for ${waitMilliseconds / 1000} s been writing to this mirror`);
    }
    await sleep(retry, undefined, { signal }).catch(() => undefined);
    retry = Math.min(2 * retry, retryMilliseconds);
  }
}

/** @returns who holds it already; undefined: it is ours now */
function take(lockDir: Place, id: string): Holder | undefined {
  const writer = lockDir.at("writer");
  const temporary = writer.temporary();
  try {
    lockDir.makeFolder();
    // Older versions hold an empty folder, which a rename would replace.
    const held = look(lockDir);
    if (held !== undefined) return held;
    mkdirSync(temporary.path);
    writeFileSync(join(temporary.path, "owner"), id);
    renameSync(temporary.path, writer.path);
    return undefined;
  } catch (cause) {
    void temporary.remove().catch(() => undefined);
    // Somebody was faster.
    const held = cause instanceof MirrorError ? undefined : look(lockDir);
    if (held !== undefined) return held;
    if (cause instanceof MirrorError) throw cause;
    // The one before was the last, and took the folder away.
    if (lockDir.look() === undefined) return take(lockDir, id);
    throw new MirrorError("storage", `cannot write in ${lockDir.path}`, { cause });
  }
}

function look(lockDir: Place): Holder | undefined {
  const found = lockDir.at("writer").look();
  if (found === undefined) return undefined;
  const owner = ownerIn(lockDir) ?? "";
  return { owner, beat: `${found.ino} ${found.mtimeMs} ${owner}` };
}

function ownerIn(lockDir: Place): string | undefined {
  const file = lockDir.at("writer/owner");
  if (!file.isFile()) return undefined;
  try {
    return readFileSync(file.path, "utf8");
  } catch {
    return undefined;
  }
}

/** Only what was seen: somebody else may have taken it over just now. @returns whether it is gone */
async function discard(lockDir: Place, seen: Holder): Promise<boolean> {
  const writer = lockDir.at("writer");
  const aside = writer.temporary();
  if (look(lockDir)?.beat !== seen.beat) return false;
  try {
    renameSync(writer.path, aside.path);
  } catch (cause) {
    if (hasErrno(cause, "ENOENT")) return true;
    throw new MirrorError("storage", `cannot write in ${lockDir.path}`, { cause });
  }
  await aside.remove();
  return true;
}

function hold(lockDir: Place, id: string): WritersLock {
  const lost = new AbortController();
  const writer = lockDir.at("writer");
  let lastBeat = performance.now();
  const beat = () => {
    const owner = ownerIn(lockDir);
    if (owner === id && touch(writer)) lastBeat = performance.now();
    const isForeign = owner !== undefined && owner !== id;
    if (!isForeign && performance.now() - lastBeat < lostMilliseconds) return;
    clearInterval(timer);
    lost.abort(new MirrorError("busy", "the mirror's lock was lost"));
  };
  const timer = setInterval(beat, beatMilliseconds).unref();
  return {
    signal: lost.signal,
    release: async () => {
      clearInterval(timer);
      const held = look(lockDir);
      if (held?.owner === id) await discard(lockDir, held).catch(() => undefined);
    },
  };
}

function touch(writer: Place): boolean {
  try {
    const now = new Date();
    utimesSync(writer.verifiedPath(), now, now);
    return true;
  } catch {
    return false;
  }
}
