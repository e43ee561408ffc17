/** A mirror that fetches what its server is asked for, and keeps below its size: loaded by servers that pull. */
import type { Place } from "../disk/place.ts";
import { openPull, type Pull, type PullKey } from "../pull/pull.ts";
import type { Context } from "../store/context.ts";
import { keepSmall } from "./keep-small.ts";
import { createWithdraw, leniently, openKinds, type KindKey, type KindTools } from "./kinds.ts";
import type { PruneKey } from "./prune.ts";

export type PullingKey = KindKey | PullKey | PruneKey | "maxSize";

/** @param views a folder of this process that is not there yet @throws MirrorError `config` */
export async function startPulling(
  context: Context<PullingKey>,
  { gitEnvironments, views }: KindTools & { readonly views: Place },
): Promise<Pull> {
  let saveUses: Pull["saveUses"] = async () => undefined;
  const size = keepSmall(context, () => openKinds(leniently(context), { gitEnvironments }), {
    maxSize: context.config.maxSize,
    saveUses: async () => saveUses(),
  });
  const kinds = openKinds(context, { gitEnvironments });
  const withdraw = createWithdraw(context);
  const pull = await openPull(context, { kinds, gitEnvironments, withdraw, scratch: views, onGrown: size.grown });
  ({ saveUses } = pull);
  size.grown();
  return {
    ...pull,
    close: async () => {
      await pull.close();
      await size.stop();
    },
  };
}
