/**
 * One publisher at a time, where the store lets one put an object only where none is: each lease is an object with a number of
 * its own, and whoever puts the next number has it. Its holder writes it anew while it works; whoever waits goes by whether it
 * changes, not by anybody's clock. Some stores take the condition and ignore it, so that is tried first.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { MirrorError } from "../errors.ts";
import type { S3 } from "./s3.ts";

export interface Lease {
  /** Ends when it is not known any more that it is held. */
  readonly signal: AbortSignal;
  /** @throws MirrorError `busy` where another has taken over, since this one stood still for too long */
  readonly requireHeld: () => Promise<void>;
  readonly release: () => Promise<void>;
}

export interface LeaseOptions {
  readonly signal: AbortSignal;
  /** The same store, for giving it back when the work was stopped. */
  readonly ending?: S3;
  /** Told once where somebody else is waited for. */
  readonly onWait: () => void;
  /** Milliseconds: between two signs of life, and how long one is waited for. */
  readonly beat?: number;
  readonly deadAfter?: number;
}

const folder = ".mirror-server/";
const kind = { type: "text/plain", cacheControl: "no-store" };
const usualBeat = 10_000;
const longestPause = 1000;
const usuallyDeadAfter = 60_000;

/** Whether the store honours `If-None-Match: *`. @param ending as of `LeaseOptions` */
export async function isConditional(s3: S3, ending = s3): Promise<boolean> {
  const key = `${folder}probe-${randomBytes(8).toString("hex")}`;
  try {
    await s3.put(key, Buffer.from("1"), { ...kind, ifAbsent: true });
    return (await s3.put(key, Buffer.from("2"), { ...kind, ifAbsent: true })) === "there";
  } catch (error) {
    // A store that does not know the header may say so.
    const status = error instanceof MirrorError ? error.data["status"] : undefined;
    if (status === 501 || status === 400) return false;
    throw error;
  } finally {
    // Where nothing may be deleted, one more small object stays.
    await ending.remove(key).catch(() => undefined);
  }
}

export async function takeLease(s3: S3, options: LeaseOptions): Promise<Lease> {
  const { signal, onWait, ending = s3, beat = usualBeat, deadAfter = usuallyDeadAfter } = options;
  const id = randomBytes(8).toString("hex");
  let seen = "";
  let since = performance.now();
  let hasWaited = false;
  for (;;) {
    const last = await newest(s3);
    const content = last === 0 ? "" : ((await s3.read(nameOf(last)))?.toString("utf8") ?? "");
    const isFree = last === 0 || content === "" || content.startsWith("released");
    if (content !== seen) {
      seen = content;
      since = performance.now();
    }
    if (isFree || performance.now() - since > deadAfter) {
      const next = nameOf(last + 1);
      const own = Buffer.from(`${id} 0`);
      const isStored = (await s3.put(next, own, { ...kind, ifAbsent: true })) === "stored";
      // Else another's; or ours, of a try whose answer was lost.
      if (isStored || (await s3.read(next))?.equals(own) === true) {
        return hold({ s3, ending }, last + 1, id, { beat, deadAfter });
      }
      continue;
    }
    if (!hasWaited) onWait();
    hasWaited = true;
    await sleep(Math.min(beat, longestPause), undefined, { signal }).catch(() => {
      throw new MirrorError("cancelled", "publishing was stopped");
    });
  }
}

function hold(
  { s3, ending }: { readonly s3: S3; readonly ending: S3 },
  number: number,
  id: string,
  { beat, deadAfter }: { readonly beat: number; readonly deadAfter: number },
): Lease {
  const lost = new AbortController();
  let count = 0;
  let confirmed = performance.now();
  let beating: Promise<unknown> | undefined;
  void removeBefore(s3, number).catch(() => undefined);
  const sign = async () => {
    count += 1;
    await s3.put(nameOf(number), Buffer.from(`${id} ${count}`), { ...kind, tries: 1 });
    confirmed = performance.now();
  };
  const timer = setInterval(() => {
    // Long before anybody takes it for dead.
    if (performance.now() - confirmed > deadAfter / 2) lost.abort();
    beating ??= sign()
      .catch(() => undefined)
      .finally(() => (beating = undefined));
  }, beat);
  timer.unref();
  return {
    signal: lost.signal,
    requireHeld: async () => {
      if (!lost.signal.aborted && (await newest(s3)) === number) return;
      throw new MirrorError("busy", "another process publishes there by now, since this one stood still; run it again");
    },
    release: async () => {
      clearInterval(timer);
      await beating;
      await ending.put(nameOf(number), Buffer.from(`released ${id}`), { ...kind, tries: 2 });
    },
  };
}

async function newest(s3: S3): Promise<number> {
  return Math.max(0, ...(await numbers(s3)));
}

async function numbers(s3: S3): Promise<number[]> {
  const keys = [...(await s3.list(`${folder}lease-`)).keys()];
  return keys.map((key) => Number(/lease-(\d+)$/.exec(key)?.[1])).filter((number) => number > 0);
}

async function removeBefore(s3: S3, number: number): Promise<void> {
  for (const each of await numbers(s3)) if (each < number) await s3.remove(nameOf(each));
}

function nameOf(number: number): string {
  return `${folder}lease-${String(number).padStart(9, "0")}`;
}
