/** `mirror-server sync [LOCK…]` */
import type { SyncPreview } from "../mirror/preview.ts";
import type { Coverage, SyncResult } from "../mirror/sync.ts";
import { adviceFor } from "./failures.ts";
import { showAsking } from "./items.ts";
import { showItem } from "../names/shown-item.ts";
import { printResult, type Command } from "./command.ts";
import { fingerprintLines } from "./fingerprints.ts";
import { readLocks } from "./locks.ts";
import { formatBytes } from "../text.ts";

export const sync: Command = async (context, args) => {
  const { config, mirror } = context;
  const started = Date.now();
  const locks = (await readLocks(args, context)) ?? [];
  if (config.ifChanged && (await mirror.isUpToDate(locks))) return 0;
  if (config.dryRun) {
    printResult(context, await mirror.previewSync(locks), previewLines);
    return 0;
  }
  const result = await mirror.sync(locks);
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  const asking = whoAsks(locks.map(({ name }) => name));
  const hasDeadline = config.deadline !== undefined;
  printResult(context, { ...result, seconds }, () => summaryLines({ ...result, seconds, asking, hasDeadline }));
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

/** `my_app names` */
function whoAsks(names: readonly string[]): string {
  if (names.length === 0) return "the configuration names";
  return names.length === 1 ? `${names[0]} names` : `${names.slice(0, -1).join(", ")} and ${names.at(-1)} name`;
}

interface Summary extends SyncResult {
  readonly seconds: number;
  readonly asking: string;
  readonly hasDeadline: boolean;
}

function summaryLines(result: Summary): string[] {
  const { added, updated, unchanged, bytes, failed, skipped, registry, fingerprints, seconds, asking } = result;
  return [
    ...skipped.map(({ app, reason }) => `skipped ${app}: ${reason}`),
    `added ${added}, updated ${updated}, unchanged ${unchanged}, failed ${failed.length}, ` +
      `${formatBytes(bytes)} in ${seconds} s`,
    ...(registry === undefined ? [] : [`registry: ${registry.packages} packages, ${registry.releases} releases`]),
    ...fingerprintLines(fingerprints),
    ...(result.coverage === undefined ? [] : [coverageLine(result.coverage, asking)]),
    ...(failed.length > 0
      ? [
          adviceFor(
            failed.map(({ cause }) => cause),
            result.hasDeadline,
          ),
        ]
      : []),
  ];
}

const shownMissing = 5;

function coverageLine({ wanted, missing, damaged }: Coverage, asking: string): string {
  const lacking = [...new Set([...missing, ...damaged].map(({ item }) => showItem(item)))];
  const all = wanted === 1 ? "the only thing" : `all ${wanted}`;
  if (lacking.length === 0) return `the mirror holds ${all} that ${asking}: you can work offline`;
  const more = lacking.length > shownMissing ? ` and ${lacking.length - shownMissing} more` : "";
  const list = lacking.slice(0, shownMissing).join(", ");
  return `the mirror lacks ${lacking.length} of the ${wanted} that ${asking}: ${list}${more}`;
}
