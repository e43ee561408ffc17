/** `mirror-server sync [LOCK…]` */
import type { SyncPreview } from "../mirror/preview.ts";
import type { SyncResult } from "../mirror/sync.ts";
import { showAsking, showItem } from "./items.ts";
import { printResult, type Command } from "./command.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { readLocks } from "./locks.ts";
import { formatBytes } from "./progress.ts";

export const sync: Command = async (context, args) => {
  const { config, mirror, cwd } = context;
  const started = Date.now();
  const locks = (await readLocks(args, cwd, config)) ?? [];
  if (config.ifChanged && (await mirror.isUpToDate(locks))) return 0;
  if (config.dryRun) {
    printResult(context, await mirror.previewSync(locks), previewLines);
    return 0;
  }
  const result = await mirror.sync(locks);
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  printResult(context, { ...result, seconds }, summaryLines);
  return result.failed.length > 0 ? 1 : 0;
};

function previewLines({ fetch, refresh, skipped, refused }: SyncPreview): string[] {
  return [
    ...fetch.map((item) => `would fetch ${showItem(item)}`),
    ...refused.map(
      ({ item, reason, ...asking }) => `cannot fetch ${showItem(item)}${showAsking(asking, item)}: ${reason}`,
    ),
    ...skipped.map(({ app, reason }) => `would skip ${app}: ${reason}`),
    `would fetch ${fetch.length}, and ask upstream whether ${refresh.length} changed`,
  ];
}

function summaryLines(result: SyncResult & { seconds: number }): string[] {
  const { added, updated, unchanged, bytes, failed, skipped, registry, fingerprints, seconds } = result;
  return [
    ...skipped.map(({ app, reason }) => `skipped ${app}: ${reason}`),
    `added ${added}, updated ${updated}, unchanged ${unchanged}, failed ${failed.length}, ` +
      `${formatBytes(bytes)} in ${seconds} s`,
    ...(registry === undefined ? [] : [`registry: ${registry.packages} packages, ${registry.releases} releases`]),
    ...fingerprintLines(fingerprints),
    ...(failed.length > 0 ? ["what arrived is kept; run the same command again to fetch the rest"] : []),
  ];
}
