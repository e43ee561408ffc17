/**
 * Hashes everything that is held, whether or not somebody wants it, and puts what is damaged into `quarantine/`: a
 * client then gets a clear 404 instead of damaged bytes, and the next sync fetches it anew.
 */
import type { Artifact, Held } from "../artifacts/artifact.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import { quarantine } from "../store/quarantine.ts";
import { asOnlyWriter, type Context } from "../store/context.ts";
import type { Quarantined } from "./findings.ts";

/** Nobody waits while all is read; what looks damaged is looked at once more, as the only writer, before it is moved. */
export async function quarantineDamaged(
  context: Context,
  openKinds: () => Kinds,
  { dryRun }: { readonly dryRun: boolean },
): Promise<Quarantined[]> {
  const suspects = await inTurn(
    openKinds(),
    async (kind) => [kind.name, await damagedIn(kind, await kind.list())] as const,
  );
  if (dryRun) return suspects.flatMap(([, damaged]) => damaged.flatMap(asMoved));
  if (suspects.every(([, damaged]) => damaged.length === 0)) return [];
  return asOnlyWriter(context, async (locked) => {
    const found = new Map(suspects);
    // One by one: where one cannot be moved, nothing may be under way any more when the lock is given back.
    const moved = await inTurn(openKinds(), async (kind) => {
      const quarantined: Quarantined[] = [];
      for (const each of found.get(kind.name) ?? []) quarantined.push(...(await quarantineOne(locked, kind, each)));
      return quarantined;
    });
    return moved.flat();
  });
}

/** Looks once more. @returns none where it is fine after all, or somebody works on it */
async function quarantineOne<Job>({ paths }: Context, kind: Artifact<Job>, held: Held): Promise<Quarantined[]> {
  const release = await kind.guard?.(held);
  if (kind.guard !== undefined && release === undefined) return [];
  try {
    const [damaged] = await damagedIn(kind, [held]);
    if (damaged === undefined) return [];
    for (const place of damaged.places) await quarantine(paths, place);
    return asMoved(damaged);
  } finally {
    await release?.();
  }
}

type Damaged = Held & { readonly reason: string };

async function damagedIn<Job>(kind: Artifact<Job>, held: readonly Held[]): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const each of held) {
    // Another process may have taken it away since it was listed: that is no damage.
    const reason = await kind.damageOf(each).catch((error: unknown) => {
      if (isThere(each)) throw error;
      return undefined;
    });
    if (reason !== undefined && isThere(each)) damaged.push({ ...each, reason });
  }
  return damaged;
}

/** What bars the way to it is told by its own name. */
function isThere({ places }: Held): boolean {
  return places.some((place) => {
    try {
      return place.look() !== undefined;
    } catch {
      return true;
    }
  });
}

function asMoved({ item, places, reason }: Damaged): Quarantined[] {
  return places.map(({ path }) => ({ item, path, reason }));
}
