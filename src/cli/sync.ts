/** `mirror-server sync [LOCK…]` */
import type { SyncPreview } from "../mirror/preview.ts";
import type { SyncResult } from "../mirror/sync.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { readLocks } from "./locks.ts";
import { formatBytes } from "./progress.ts";

export const sync: Command = async (context, args) => {
  const { config, mirror } = context;
  const started = Date.now();
  const locks = await locksToSync(context, args);
  if (config.dryRun) {
    printResult(context, await mirror.previewSync(locks), previewLines);
    return 0;
  }
  const result = await mirror.sync(locks);
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  printResult(context, { ...result, seconds }, summaryLines);
  return result.failed.length > 0 ? 1 : 0;
};

/** A folder without a lock is no error where the configuration names what to mirror. */
async function locksToSync({ config, cwd }: CommandContext, args: readonly string[]): Promise<Lock[]> {
  try {
    return await readLocks(args, cwd, config.lockName);
  } catch (error) {
    const { packages, files, installers } = config;
    const isEnough = packages.length > 0 || files.length > 0 || installers !== undefined;
    if (args.length === 0 && isEnough && error instanceof MirrorError && error.code === "usage") return [];
    throw error;
  }
}

function previewLines({ fetch, refresh, skipped, refused }: SyncPreview): string[] {
  return [
    ...fetch.map((item) => `would fetch ${item}`),
    ...refused.map(({ app, reason }) => `cannot fetch ${app}: ${reason}`),
    ...skipped.map(({ app, reason }) => `would skip ${app}: ${reason}`),
    `would fetch ${fetch.length}, and ask upstream whether ${refresh.length} changed`,
  ];
}

function summaryLines(result: SyncResult & { seconds: number }): string[] {
  const { added, updated, unchanged, bytes, failed, skipped, registry, seconds } = result;
  return [
    ...skipped.map(({ app, reason }) => `skipped ${app}: ${reason}`),
    `added ${added}, updated ${updated}, unchanged ${unchanged}, failed ${failed.length}, ` +
      `${formatBytes(bytes)} in ${seconds} s`,
    ...(registry === undefined ? [] : [`registry: ${registry.packages} packages, ${registry.releases} releases`]),
    ...(failed.length > 0 ? ["what arrived is kept; run the same command again to fetch the rest"] : []),
  ];
}
