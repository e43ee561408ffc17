/**
 * How what was fetched and verified gets its place: nobody holds the writers' lock while the network is waited for. What
 * came meanwhile is given its place together, in some milliseconds, and the packages among it are signed together, the
 * lists once: now and then while more comes, and at the end.
 *
 * What is not signed yet is noted before it is touched (store/unsigned.ts), so that a process that is killed leaves to the
 * next one what is to be done.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { noteUnsigned, readUnsigned, unite, type Packages } from "../store/unsigned.ts";
import { publish, type BuildResult, type SigningKey } from "../registry/build.ts";
import { asOnlyWriter, type Context } from "../store/context.ts";
import type { Land } from "./land-file.ts";

export interface Landing {
  readonly land: Land;
  /** @param packages that have to be signed, whether or not they have changed */
  readonly sign: (packages: Packages) => Promise<BuildResult>;
  /** Whether something has come that is not signed yet. */
  readonly isBehind: () => boolean;
}

// Others want to write too.
const holdMilliseconds = 250;
// As many times as long as signing took is not signed again.
const pauseFactor = 10;
// Longer than anybody waits before asking again for the lock.
const yieldMilliseconds = 60;

interface Waiting {
  readonly run: () => Promise<void>;
  readonly refuse: (error: unknown) => void;
  readonly unsigned: Parameters<Land>[1];
}

export interface LandingOptions {
  /** What comes within it is given its place together. Milliseconds. */
  readonly gather?: number;
  /**
   * What has come so far is of use before the end, and signing it takes no time that the network would not leave. Lists are
   * written whole, so the pauses grow with what it takes. Milliseconds.
   */
  readonly signEvery?: number;
  /** Told when what came has been signed before the end, or could not be. */
  readonly onSigned?: (result: BuildResult | Error) => Promise<void> | void;
}

export function createLanding(
  context: Context<SigningKey>,
  { gather = 1, signEvery = 1000, onSigned }: LandingOptions = {},
): Landing {
  const waiting: Waiting[] = [];
  let unsigned = new Map<string, Set<string>>();
  let signed = performance.now();
  let pause = signEvery;
  let pumping: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isTimeForOthers = false;

  const takeAll = async (locked: Context<SigningKey>) => {
    const began = performance.now();
    const isLong = () => performance.now() - began > holdMilliseconds;
    while (waiting.length > 0 && !isLong()) {
      const batch = waiting.splice(0);
      for (const { unsigned: package_ } of batch) if (package_ !== undefined) add(unsigned, package_);
      try {
        locked.signal.throwIfAborted();
        if (unsigned.size > 0) await noteUnsigned(locked.paths, unite(await readUnsigned(locked.paths), unsigned));
      } catch (error) {
        for (const { refuse } of batch) refuse(error);
        return;
      }
      // Of packages, one knows nothing of the other; what is left shares files.
      await Promise.all(batch.filter(isOfPackage).map(async ({ run }) => run()));
      for (const { run } of batch.filter((each) => !isOfPackage(each))) await run();
    }
    isTimeForOthers = isLong();
    if (unsigned.size === 0) return;
    // Something may take an hour after the last package.
    clearTimeout(timer);
    timer = setTimeout(() => void startPumping(), pause).unref();
    if (performance.now() - signed < pause) return;
    // What goes wrong with it goes wrong at the end again, and is told then.
    const result = await signNow(locked, new Map()).catch(
      (error: unknown) => new Error("not signed", { cause: error }),
    );
    signed = performance.now();
    await onSigned?.(result);
  };
  const signNow = async (locked: Context<SigningKey>, packages: Packages) => {
    const began = performance.now();
    const result = await publish(locked, unite(packages, unsigned));
    unsigned = new Map();
    signed = performance.now();
    pause = Math.max(signEvery, pauseFactor * (signed - began));
    return result;
  };
  const pump = async () => {
    await sleep(gather);
    do {
      await asOnlyWriter(context, takeAll, "patiently").catch((error: unknown) => {
        for (const { refuse } of waiting.splice(0)) refuse(error);
      });
      if (isTimeForOthers) await sleep(yieldMilliseconds);
      isTimeForOthers = false;
    } while (waiting.length > 0);
    pumping = undefined;
  };
  const startPumping = () => (pumping ??= pump());
  return {
    land: async (work, package_) =>
      new Promise((resolve, reject) => {
        const run = async () => work().then(resolve, reject);
        waiting.push({ run, refuse: reject, unsigned: package_ });
        void startPumping();
      }),
    isBehind: () => unsigned.size > 0 || waiting.some(isOfPackage),
    sign: async (packages) => {
      await pumping;
      clearTimeout(timer);
      return asOnlyWriter(context, async (locked) => signNow(locked, packages), "patiently");
    },
  };
}

function isOfPackage({ unsigned }: Waiting): boolean {
  return unsigned !== undefined;
}

function add(packages: Map<string, Set<string>>, { repository, name }: { repository: string; name: string }): void {
  packages.set(repository, new Set([...(packages.get(repository) ?? []), name]));
}
