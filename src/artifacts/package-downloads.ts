/**
 * What the packages of locks download while they are compiled, as their tarballs say it that are here. What was read of a
 * tarball is kept in the cache folder, so that each is unpacked once.
 */
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { isFor, type Targets } from "../names/platforms.ts";
import type { Cache, Download } from "../downloads/precompiled.ts";
import { toolFiles, type NpmCheck } from "../downloads/tools.ts";
import { MirrorError } from "../errors.ts";
import { demandProblem } from "../hex/check.ts";
import { toolNames, type Lock, type ToolName } from "../lock/entries.ts";
import { hexpm } from "../names/hex-repository.ts";
import { packageJobs, type Demand } from "../plan/packages.ts";
import type { StorePaths } from "../store/paths.ts";
import { tarballDownloads, type TarballDownloads } from "./tarball-downloads.ts";

export interface ReleaseDownloads {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
  readonly demands: readonly Demand[];
  readonly files: readonly DownloadedFile[];
  /** What it downloads, and nobody can tell from where. */
  readonly unread: readonly UnreadFiles[];
}

export interface DownloadedFile {
  readonly url: string;
  /** undefined: nothing here vouches for it. */
  readonly sha256?: string | undefined;
  readonly npm?: NpmCheck | undefined;
  /** Which client looks for it in a cache of its own; undefined: none, it is always downloaded. */
  readonly cache?: Cache | undefined;
}

export interface UnreadFiles {
  readonly reason: string;
  /** File name → SHA-256. */
  readonly checksums: Readonly<Record<string, string>>;
  /** Where they may lie, without the name. */
  readonly guess?: string | undefined;
}

/** Of what is here of the locks' packages; what is not is told of as a package. By repository and name. */
export async function downloadsOf(
  paths: StorePaths,
  locks: readonly Lock[],
  targets: Targets,
): Promise<ReleaseDownloads[]> {
  const indexes = new Map<string, FileIndex<TarballDownloads>>();
  const found: ReleaseDownloads[] = [];
  for (const { repository, name, releases } of packageJobs(locks)) {
    const registry = paths.registry(repository);
    const index =
      indexes.get(repository) ??
      (await FileIndex.open(paths.cache, {
        folder: `downloads of ${registry.tarballsDir.path}`,
        parse: (value) => tarballDownloads.safeParse(value).data,
      }));
    indexes.set(repository, index);
    for (const { version, demands } of releases) {
      const place = registry.tarball(name, version);
      if (!place.isFile()) continue;
      const tool = repository === hexpm ? toolNames.find((each) => each === name) : undefined;
      const read = await index.get(`${name}-${version}.tar`, place, async () => readOne(place, tool)).catch(isNone);
      if (read === undefined) continue;
      // What another lies there than the locks demand is told of as a package.
      const sums = { innerChecksum: Buffer.from(read.inner, "hex"), outerChecksum: Buffer.from(read.outer, "hex") };
      if (demands.some((demand) => demandProblem(sums, demand) !== undefined)) continue;
      const files = [...filesFor(read.downloads, targets), ...toolFilesOf(tool, read, { locks, demands, targets })];
      if (files.length + read.unread.length > 0)
        found.push({
          repository,
          name,
          version,
          demands,
          files,
          unread: read.unread.map((each) => unreadFor(each, targets)),
        });
    }
  }
  for (const index of indexes.values()) await index.save();
  return found;
}

/** Mostly it was read before, and the readers are not needed. */
async function readOne(place: Place, tool: ToolName | undefined): Promise<TarballDownloads> {
  const { readDownloads } = await import("./read-downloads.ts");
  return readDownloads(place, tool);
}

/** What is no tarball is told of as a package. @throws all else */
function isNone(error: unknown): undefined {
  if (!(error instanceof MirrorError) || error.code !== "malformed") throw error;
}

interface Asking {
  readonly locks: readonly Lock[];
  readonly demands: readonly Demand[];
  readonly targets: Targets;
}

/** In the versions that the projects name that lock the package; where one names none, in the package's own. */
function toolFilesOf(
  name: ToolName | undefined,
  { tool }: TarballDownloads,
  { locks, demands, targets }: Asking,
): readonly DownloadedFile[] {
  if (name === undefined || tool === undefined) return [];
  const lockNames = new Set(demands.map(({ lock }) => lock));
  const versions = locks
    .filter((lock) => lockNames.has(lock.name))
    .flatMap(({ tools = [] }) => {
      const named = tools.find((each) => each.name === name)?.versions ?? [];
      return named.length > 0 || tool.latest === undefined ? named : [tool.latest];
    });
  return [...new Set(versions)].flatMap((version) => toolFiles(name, version, targets, tool));
}

function unreadFor({ checksums, ...unread }: UnreadFiles, targets: Targets): UnreadFiles {
  return {
    ...unread,
    checksums: Object.fromEntries(Object.entries(checksums).filter(([name]) => isFor(name, targets))),
  };
}

function filesFor(downloads: readonly Download[], targets: Targets): Download[] {
  return downloads.filter(({ url }) => isFor(url.slice(url.lastIndexOf("/") + 1), targets));
}
