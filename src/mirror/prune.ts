/**
 * Removes what no known lock and no entry of the configuration wants. The folder is the only truth: what is wanted is asked
 * of the locks that it knows, and all else goes.
 */
import type { Artifact, Want } from "../artifacts/artifact.ts";
import type { Item } from "../names/item.ts";
import { bytesOf } from "../artifacts/bytes-of.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import { sizeOf } from "../disk/walk.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { asOnlyWriter, requireMirror, tellForeign, type Context } from "../store/context.ts";
import { requireGivenKeys } from "../upstream/hex-repositories.ts";
import type { SigningKey } from "../registry/build.ts";
import { configuredLocks } from "./wanted.ts";

export interface PruneResult {
  readonly removed: readonly { readonly item: Item; readonly bytes: number }[];
  readonly bytes: number;
  /** What was left alone although nothing wants it, and why. */
  readonly spared: readonly { readonly item: Item; readonly reason: string }[];
}

export interface PruneOptions {
  /** Locks to keep; the others are forgotten first. undefined: all. */
  readonly keepLocks: readonly string[] | undefined;
  /** Tell only. */
  readonly dryRun: boolean;
}

export async function prune(
  context: Context<SigningKey | "packages">,
  openKinds: () => Kinds,
  options: PruneOptions,
): Promise<PruneResult> {
  await requireMirror(context);
  await requireGivenKeys(context);
  await tellForeign(context);
  const work = async (locked: Context<SigningKey | "packages">) => {
    if (!options.dryRun) await (await import("../artifacts/with-records.ts")).finishUnsigned(locked);
    return pruneAsOnlyWriter(locked, openKinds, options);
  };
  return options.dryRun ? work(context) : asOnlyWriter(context, work);
}

async function pruneAsOnlyWriter(
  context: Context<SigningKey | "packages">,
  openKinds: () => Kinds,
  { keepLocks, dryRun }: PruneOptions,
): Promise<PruneResult> {
  const { paths } = context;
  const known = await readKnownLocks(paths);
  const kept = locksToKeep(known, keepLocks);
  const configured = configuredLocks(context.config);
  if (kept.every(({ entries }) => entries.length === 0) && configured.length === 0) {
    throw new MirrorError("usage", 'no lock is left, so everything would go; "mirror-server sync" a lock first');
  }
  const forgotten = await Promise.all(
    known
      .filter((lock) => !kept.includes(lock))
      .map(async ({ name }) => {
        const place = paths.knownLock(name);
        return { item: { kind: "lock" as const, name }, bytes: await sizeOf(place), place };
      }),
  );
  const kinds = openKinds();
  const want: Want = { locks: [...kept, ...configured], withHeld: true };
  // All is looked at before anything goes.
  const removals = await inTurn(kinds, async (kind) => planRemoval(kind, want));
  const removed = [...forgotten.map(({ item, bytes }) => ({ item, bytes })), ...removals.flatMap(({ sizes }) => sizes)];
  if (!dryRun) {
    // The registry forgets first: without the key, nothing goes.
    for (const { remove } of removals) await remove();
    for (const { place } of forgotten) await place.remove();
  }
  return {
    removed,
    bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0),
    spared: removals.flatMap(({ spared }) => spared),
  };
}

function locksToKeep(known: readonly Lock[], names: readonly string[] | undefined): Lock[] {
  if (names === undefined) return [...known];
  const unknown = names.find((name) => !known.some((lock) => lock.name === name));
  if (unknown !== undefined) {
    const list = known.map(({ name }) => name).join(", ");
    throw new MirrorError("usage", `--keep-locks: the mirror knows no lock "${unknown}"; it knows ${list || "none"}`);
  }
  return known.filter(({ name }) => names.includes(name));
}

interface Removal {
  readonly sizes: PruneResult["removed"];
  readonly spared: PruneResult["spared"];
  readonly remove: () => Promise<void>;
}

/** @throws MirrorError `config` where what is wanted cannot be told */
async function planRemoval<Job>(kind: Artifact<Job>, want: Want): Promise<Removal> {
  const { jobs, refused } = await kind.wanted(want);
  for (const { app = "", lock = "", reason } of refused) {
    const what = `what "${app}" of the lock ${lock} needs cannot be told`;
    throw new MirrorError("config", `${what}, so nothing goes: ${reason}`);
  }
  const wanted = new Set(jobs.flatMap((job) => kind.items(job).flatMap(({ keys }) => keys)));
  const unwanted = (await kind.list()).filter(({ key }) => !wanted.has(key));
  const doomed = unwanted.filter(({ spared }) => spared === undefined);
  return {
    sizes: await Promise.all(doomed.map(async (held) => ({ item: held.item, bytes: await bytesOf(held) }))),
    spared: unwanted.flatMap(({ item, spared }) => (spared === undefined ? [] : [{ item, reason: spared }])),
    remove: async () => (doomed.length === 0 ? undefined : kind.remove(doomed)),
  };
}
