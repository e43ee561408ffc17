/** `mirror-server prune` */
import type { PruneResult } from "../mirror/prune.ts";
import { printResult, type Command } from "./command.ts";
import { showItem } from "../names/shown-item.ts";
import { formatBytes } from "../text.ts";

export const prune: Command = async (context) => {
  const result = await context.mirror.prune(context.config);
  printResult(context, result, (pruned) => lines(pruned, context.config.dryRun));
  return 0;
};

function lines({ removed, bytes, spared }: PruneResult, dryRun: boolean): string[] {
  const verb = dryRun ? "would remove" : "removed";
  return [
    ...removed.map(({ item, bytes: size }) => `${verb} ${showItem(item)} (${formatBytes(size)})`),
    ...sparedLines(spared),
    `${verb} ${removed.length}, ${formatBytes(bytes)}`,
  ];
}

/** Many things are spared for one reason. */
function sparedLines(spared: PruneResult["spared"]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { item, reason } of spared) byReason.set(reason, [...(byReason.get(reason) ?? []), showItem(item)]);
  return [...byReason].map(([reason, [first = "", ...others]]) => {
    const more = others.length === 0 ? " is" : ` and ${others.length} more are`;
    return `${first}${more} left alone, since ${reason}`;
  });
}
