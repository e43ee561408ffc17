/**
 * Hashes everything that is held, whether or not somebody wants it, and puts what is damaged into `quarantine/`: a
 * client then gets a clear 404 instead of damaged bytes, and the next sync fetches it anew.
 */
import type { Artifact, Held } from "../artifacts/artifact.ts";
import { inTurn } from "../artifacts/kinds.ts";
import { quarantine } from "../store/quarantine.ts";
import { asOnlyWriter, requireMirror, type Context } from "../store/context.ts";
import type { Quarantined } from "./findings.ts";
import { openKinds, type KindKey, type KindTools } from "./kinds.ts";

/** Nobody waits while all is read; what looks damaged is looked at once more, as the only writer, before it is moved. */
export async function quarantineDamaged(
  context: Context<KindKey>,
  { dryRun }: { readonly dryRun: boolean },
  tools: KindTools,
): Promise<Quarantined[]> {
  await requireMirror(context);
  const suspects = await inTurn(
    openKinds(context, tools),
    async (kind) => [kind.name, await damagedIn(kind, await kind.list())] as const,
  );
  if (dryRun) return suspects.flatMap(([, damaged]) => damaged.flatMap(asMoved));
  if (suspects.every(([, damaged]) => damaged.length === 0)) return [];
  return asOnlyWriter(context, async (locked) => {
    const found = new Map(suspects);
    const damaged = await inTurn(openKinds(locked, tools), async (kind) => damagedIn(kind, found.get(kind.name) ?? []));
    const moved = damaged.flat();
    // One by one: where one cannot be moved, nothing may be under way any more when the lock is given back.
    for (const { places } of moved) for (const place of places) await quarantine(locked.paths, place);
    return moved.flatMap(asMoved);
  });
}

type Damaged = Held & { readonly reason: string };

async function damagedIn<Job>(kind: Artifact<Job>, held: readonly Held[]): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const each of held) {
    const reason = await kind.damageOf(each);
    if (reason !== undefined) damaged.push({ ...each, reason });
  }
  return damaged;
}

function asMoved({ item, places, reason }: Damaged): Quarantined[] {
  return places.map(({ path }) => ({ item, path, reason }));
}
