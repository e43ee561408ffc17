/**
 * Does what locks name compile without a network? As far as packages tell what they download: whether all of it is here that is
 * for the machines that were asked for.
 */
import type { Targets } from "../names/platforms.ts";
import { releaseItem, type Item } from "../names/item.ts";
import { fileJob, partsOf, type FileJob } from "../plan/files.ts";
import type { Lock } from "../lock/entries.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Asking } from "./artifact.ts";
import { downloadsOf, type DownloadedFile, type ReleaseDownloads, type UnreadFiles } from "./package-downloads.ts";

export interface CompilesOffline {
  readonly ok: boolean;
  /** How many releases download something, as far as they tell. */
  readonly downloading: number;
  readonly lacking: readonly Uncompiled[];
}

/** A release that may not compile. `lock` and `app`: who asks for it. */
export interface Uncompiled extends Asking {
  readonly item: Item;
  readonly reason: string;
}

export interface CompileOptions {
  /** What the configuration lists. */
  readonly listed: readonly FileJob[];
  readonly targets: Targets;
}

export async function compilesOffline(
  paths: StorePaths,
  locks: readonly Lock[],
  { listed, targets }: CompileOptions,
): Promise<CompilesOffline> {
  const releases = await downloadsOf(paths, locks, targets);
  const lacking = releases.flatMap((release) => {
    const { repository, name, version, demands } = release;
    const asking = demands.slice(0, 1).map(({ lock, app }) => ({ lock, app }));
    const item = releaseItem({ repository, name }, version);
    return reasonsOf(paths, release, listed).map((reason) => ({ item, reason, ...asking.at(0) }));
  });
  return { ok: lacking.length === 0, downloading: releases.length, lacking };
}

function reasonsOf(paths: StorePaths, release: ReleaseDownloads, listed: readonly FileJob[]): string[] {
  const { files } = release;
  const missing = files.filter((file) => !isHeld(paths, file)).length;
  const remedy = '"mirror-server sync --artefacts" fetches them';
  return [
    ...(missing === 0 ? [] : [`${missing} of the ${files.length} files that it downloads are not here; ${remedy}`]),
    ...unreadBesides(release, listed).map(({ reason }) => reason),
  ];
}

/** What cannot be read of a release, without what the configuration lists instead. */
export function unreadBesides({ unread }: ReleaseDownloads, listed: readonly FileJob[]): UnreadFiles[] {
  const known = new Set(listed.map(({ sha256 }) => sha256));
  return unread.flatMap((each) => {
    const all = Object.entries(each.checksums);
    const rest = all.filter(([, sha256]) => !known.has(sha256));
    return all.length > 0 && rest.length === 0 ? [] : [{ ...each, checksums: Object.fromEntries(rest) }];
  });
}

function isHeld(paths: StorePaths, { url, sha256, npm }: DownloadedFile): boolean {
  try {
    const parts = partsOf({ ...fileJob(url, sha256), npm });
    return parts.every(({ host, path }) => paths.file(host, path).isFile());
  } catch {
    // A URL that cannot be kept is told by sync.
    return false;
  }
}
