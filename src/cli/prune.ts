/** `mirror-server prune` */
import type { PruneResult } from "../mirror/prune.ts";
import { printResult, type Command } from "./command.ts";
import { formatBytes } from "./progress.ts";

export const prune: Command = async (context) => {
  const result = await context.mirror.prune();
  printResult(context, result, (pruned) => lines(pruned, context.config.dryRun));
  return 0;
};

function lines({ removed, bytes, notes }: PruneResult, dryRun: boolean): string[] {
  const verb = dryRun ? "would remove" : "removed";
  return [
    ...removed.map(({ item, bytes: size }) => `${verb} ${item} (${formatBytes(size)})`),
    ...notes,
    `${verb} ${removed.length}, ${formatBytes(bytes)}`,
  ];
}
