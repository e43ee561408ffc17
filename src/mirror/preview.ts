/** What a sync would do, from what the folder holds. */
import type { Refused } from "../artifacts/artifact.ts";
import type { Item } from "../names/item.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Lock } from "../lock/entries.ts";
import { skippedEntries, type SkippedDependency } from "../plan/skipped.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import { tellForeign, type Context } from "../store/context.ts";
import { withPackages } from "./wanted.ts";

export interface SyncPreview {
  /** What is not here and would be fetched. */
  readonly fetch: readonly Item[];
  /** What is here; upstream would be asked whether it has changed. */
  readonly refresh: readonly Item[];
  readonly skipped: readonly SkippedDependency[];
  readonly refused: readonly Refused[];
}

/** Nothing is asked of upstream, nothing is written. */
export async function previewSync(
  context: Context<"packages">,
  kinds: Kinds,
  given: readonly Lock[],
): Promise<SyncPreview> {
  await tellForeign(context);
  const locks = withPackages(given, context.config, await readKnownLocks(context.paths));
  const fetch: Item[] = [];
  const refresh: Item[] = [];
  const refused = await inTurn(kinds, async (kind) => {
    const wanted = await kind.wanted({ locks, withSubmodules: true });
    for (const job of wanted.jobs) {
      for (const { item, isHeld } of await kind.has(job)) (isHeld ? refresh : fetch).push(item);
    }
    return wanted.refused;
  });
  return { fetch, refresh, skipped: skippedEntries(locks), refused: refused.flat() };
}
