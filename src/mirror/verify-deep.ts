/**
 * Hashes everything that is held, whether or not somebody wants it, and moves what is damaged aside, to `corrupt/`: a
 * client then gets a clear 404 instead of damaged bytes, and the next sync fetches it anew.
 */
import type { Held } from "../artifacts/artifact.ts";
import { inTurn } from "../artifacts/kinds.ts";
import { quarantine } from "../store/quarantine.ts";
import { asOnlyWriter, requireMirror, type Context } from "./context.ts";
import type { MovedAside } from "./findings.ts";
import { openKinds, type KindSettings, type KindTools } from "./kinds.ts";

export async function moveDamagedAside(
  context: Context,
  settings: KindSettings,
  { dryRun }: { readonly dryRun: boolean },
  tools: KindTools,
): Promise<MovedAside[]> {
  await requireMirror(context);
  return asOnlyWriter(context, async (locked) => {
    const damaged = await inTurn(openKinds(locked, settings, tools), async (kind) => {
      const found: (Held & { readonly reason: string })[] = [];
      for (const held of await kind.list()) {
        const reason = await kind.damageOf(held);
        if (reason !== undefined) found.push({ ...held, reason });
      }
      return found;
    });
    const moved: MovedAside[] = [];
    // One by one: where one cannot be moved, nothing may be under way any more when the lock is given back.
    for (const { item, places, reason } of damaged.flat()) {
      for (const place of places) {
        if (!dryRun) await quarantine(locked.paths, place);
        moved.push({ item, path: place.path, reason });
      }
    }
    return moved;
  });
}
