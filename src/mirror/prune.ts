/**
 * Removes what no known lock and no entry of the configuration wants: all of it, what nobody has asked for lately, or as much
 * as has to go for the rest to fit. The folder is the only truth: what is wanted is asked of the locks that it knows.
 */
import type { Artifact, Held, Want } from "../artifacts/artifact.ts";
import type { Item } from "../names/item.ts";
import { bytesOf } from "../artifacts/bytes-of.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import { sizeOf } from "../disk/walk.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import { removeHalves } from "../store/halves.ts";
import type { StorePaths } from "../store/paths.ts";
import { listRegistries } from "../store/inventory.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { forgetValidators } from "../store/validators.ts";
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
  /** Only what nobody has asked for in so many seconds. */
  readonly unused?: number | undefined;
}

export type PruneKey = SigningKey | "packages" | "nearby";

export async function prune(
  context: Context<PruneKey>,
  openKinds: () => Kinds,
  options: PruneOptions,
): Promise<PruneResult> {
  await requireMirror(context);
  await requireGivenKeys(context);
  await tellForeign(context);
  const work = async (locked: Context<PruneKey>) => {
    if (!options.dryRun) await (await import("../artifacts/with-records.ts")).finishUnsigned(locked);
    return pruneAsOnlyWriter(locked, openKinds, options);
  };
  return options.dryRun ? work(context) : asOnlyWriter(context, work);
}

async function pruneAsOnlyWriter(
  context: Context<PruneKey>,
  openKinds: () => Kinds,
  { keepLocks, dryRun, unused }: PruneOptions,
): Promise<PruneResult> {
  const { paths } = context;
  const known = await readKnownLocks(paths);
  const kept = locksToKeep(known, keepLocks);
  const configured = configuredLocks(context.config);
  if (unused === undefined && kept.every(({ entries }) => entries.length === 0) && configured.length === 0) {
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
  const want: Want = { locks: [...kept, ...configured], withHeld: true };
  // All is looked at before anything goes.
  const plans = await inTurn(openKinds(), async (kind) => unwantedOf(kind, want));
  const lastUse = await readLastUses(paths);
  const since = unused === undefined ? Infinity : Date.now() - unused * 1000;
  const doomed = withoutNeeded(
    plans.flatMap(({ unwanted }) => unwanted),
    (held) => lastUse(held) < since,
  );
  const sizes = await Promise.all(doomed.map(async (held) => ({ item: held.item, bytes: await bytesOf(held) })));
  const removed = [...forgotten.map(({ item, bytes }) => ({ item, bytes })), ...sizes];
  if (!dryRun) {
    // What one that was killed has left.
    await removeHalves(paths.git);
    for (const registry of await listRegistries(paths)) await forgetValidators(registry);
    // The registry forgets first: without the key, nothing goes.
    for (const { remove } of plans) await remove(new Set(doomed));
    for (const { place } of forgotten) await place.remove();
  }
  return {
    removed,
    bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0),
    spared: plans.flatMap(({ spared }) => spared),
  };
}

/** For a server whose mirror may not grow beyond a size: what was asked for least lately goes first. @returns bytes that went */
export async function evict(
  context: Context<PruneKey>,
  openKinds: () => Kinds,
  { maxSize }: { readonly maxSize: number },
): Promise<number> {
  return asOnlyWriter(context, async (locked) => {
    const kinds = openKinds();
    const all = (await inTurn(kinds, async (kind) => kind.list())).flat();
    const sizes = new Map(await Promise.all(all.map(async (held) => [held.key, await bytesOf(held)] as const)));
    let left = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0) - maxSize;
    if (left <= 0) return 0;
    await (await import("../artifacts/with-records.ts")).finishUnsigned(locked);
    const locks = [...(await readKnownLocks(locked.paths)), ...configuredLocks(locked.config)];
    const plans = await inTurn(kinds, async (kind) => unwantedOf(kind, { locks, withHeld: true }));
    const lastUse = await readLastUses(locked.paths);
    const used = plans.flatMap((plan) => plan.unwanted).map((held) => ({ held, at: lastUse(held) }));
    const unwanted = used.sort((a, b) => a.at - b.at).map(({ held }) => held);
    // What others need goes with the last of them.
    const needed = new Set(unwanted.flatMap(({ needs = [] }) => needs));
    const chosen = new Set<string>(needed);
    for (const { key } of unwanted.filter((held) => !needed.has(held.key))) {
      if (left <= 0) break;
      chosen.add(key);
      left -= sizes.get(key) ?? 0;
    }
    const doomed = new Set(withoutNeeded(unwanted, ({ key }) => chosen.has(key)));
    for (const { remove } of plans) await remove(doomed);
    return [...doomed].reduce((sum, { key }) => sum + (sizes.get(key) ?? 0), 0);
  });
}

/** Those that go: what has to stay for what stays does not. */
function withoutNeeded(unwanted: readonly Held[], goes: (held: Held) => boolean): Held[] {
  const needed = new Set(unwanted.filter((held) => !goes(held)).flatMap(({ needs = [] }) => needs));
  return unwanted.filter((held) => goes(held) && !needed.has(held.key));
}

/** Milliseconds since 1970: as servers have noted it, or else when it was written. */
async function readLastUses({ cache, mirror }: StorePaths): Promise<(held: Held) => number> {
  const { Asked } = await import("../pull/asked.ts");
  const asked = await Asked.open(cache, mirror);
  return ({ key, places }) => {
    const written = places.map((place) => place.look()?.mtimeMs ?? 0);
    return Math.max(asked.lastUse(key) ?? 0, ...written);
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

interface Unwanted {
  readonly unwanted: readonly Held[];
  readonly spared: PruneResult["spared"];
  /** Takes away those of them. */
  readonly remove: (doomed: ReadonlySet<Held>) => Promise<void>;
}

/** @throws MirrorError `config` where what is wanted cannot be told */
async function unwantedOf<Job>(kind: Artifact<Job>, want: Want): Promise<Unwanted> {
  const { jobs, refused } = await kind.wanted(want);
  // What a package downloads from where nobody may is not here, whatever goes.
  for (const { app = "", lock = "", reason } of refused.filter(({ item }) => item.kind !== "file")) {
    const what = `what "${app}" of the lock ${lock} needs cannot be told`;
    throw new MirrorError("config", `${what}, so nothing goes: ${reason}`);
  }
  const wanted = new Set(jobs.flatMap((job) => kind.items(job).flatMap(({ keys }) => keys)));
  const all = (await kind.list()).filter(({ key }) => !wanted.has(key));
  const unwanted = all.filter(({ spared }) => spared === undefined);
  return {
    unwanted,
    spared: all.flatMap(({ item, spared }) => (spared === undefined ? [] : [{ item, reason: spared }])),
    remove: async (doomed) => {
      const own = unwanted.filter((held) => doomed.has(held));
      if (own.length > 0) await kind.remove(own);
    },
  };
}
