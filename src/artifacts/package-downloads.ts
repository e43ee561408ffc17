/**
 * What the packages of locks download while they are compiled, as their tarballs say it that are here. What was read of a
 * tarball is kept in the cache folder, so that each is unpacked once.
 */
import * as z from "zod";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { isFor, type Targets } from "../names/platforms.ts";
import { isOfInterest, mayDownload, packageDownloads, type Cache, type Download } from "../downloads/precompiled.ts";
import { isOfTool, readToolPackage, toolFiles, type NpmCheck } from "../downloads/tools.ts";
import { MirrorError, describeError } from "../errors.ts";
import { demandProblem } from "../hex/check.ts";
import { readContents } from "../hex/contents.ts";
import { readTarball } from "../hex/tarball.ts";
import { toolNames, type Lock, type ToolName } from "../lock/entries.ts";
import { hexpm } from "../names/hex-repository.ts";
import { packageJobs, type Demand } from "../plan/packages.ts";
import type { StorePaths } from "../store/paths.ts";

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

const schema = z.object({
  inner: z.string(),
  outer: z.string(),
  downloads: z.array(
    z.object({ url: z.string(), sha256: z.string(), cache: z.enum(["rustler_precompiled", "elixir_make", "xla"]) }),
  ),
  unread: z.array(
    z.object({ reason: z.string(), checksums: z.record(z.string(), z.string()), guess: z.string().optional() }),
  ),
  tool: z.object({ latest: z.string().optional(), keys: z.record(z.string(), z.string()) }).optional(),
});
type Indexed = z.infer<typeof schema>;

/** Of what is here of the locks' packages; what is not is told of as a package. By repository and name. */
export async function downloadsOf(
  paths: StorePaths,
  locks: readonly Lock[],
  targets: Targets,
): Promise<ReleaseDownloads[]> {
  const indexes = new Map<string, FileIndex<Indexed>>();
  const found: ReleaseDownloads[] = [];
  for (const { repository, name, releases } of packageJobs(locks)) {
    const registry = paths.registry(repository);
    const index =
      indexes.get(repository) ??
      (await FileIndex.open(paths.cache, {
        folder: `downloads of ${registry.tarballsDir.path}`,
        parse: (value) => schema.safeParse(value).data,
      }));
    indexes.set(repository, index);
    for (const { version, demands } of releases) {
      const place = registry.tarball(name, version);
      if (!place.isFile()) continue;
      const tool = repository === hexpm ? toolNames.find((each) => each === name) : undefined;
      const read = await index
        .get(`${name}-${version}.tar`, place, async () => readDownloads(place, tool))
        .catch(isNone);
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

/** What is no tarball is told of as a package. @throws all else */
function isNone(error: unknown): undefined {
  if (!(error instanceof MirrorError) || error.code !== "malformed") throw error;
}

const nothing: Omit<Indexed, "inner" | "outer"> = { downloads: [], unread: [] };

/** What cannot be read of it is no reason to fail: a package may be built from its sources. */
async function readDownloads(place: Place, tool: ToolName | undefined): Promise<Indexed> {
  const bytes = (await place.read()) ?? Buffer.alloc(0);
  const { metadata, innerChecksum, outerChecksum } = readTarball(bytes);
  const sums = { inner: innerChecksum.toString("hex"), outer: outerChecksum.toString("hex") };
  if (tool === undefined && !mayDownload(bytes)) return { ...sums, ...nothing };
  let files: ReadonlyMap<string, string>;
  try {
    files = readContents(bytes, (path) => isOfInterest(path) || (tool !== undefined && isOfTool(path)));
  } catch (error) {
    return { ...sums, downloads: [], unread: [{ reason: describeError(error), checksums: {} }] };
  }
  const { name, version, about } = metadata;
  const { downloads, unread } = packageDownloads({ name, version, links: about.links, files });
  return {
    ...sums,
    downloads: [...downloads],
    unread: unread.map(({ reason, checksums, guess }) => ({ reason, checksums: Object.fromEntries(checksums), guess })),
    ...(tool === undefined ? {} : { tool: readToolPackage(tool, files) }),
  };
}

interface Asking {
  readonly locks: readonly Lock[];
  readonly demands: readonly Demand[];
  readonly targets: Targets;
}

/** In the versions that the projects name that lock the package; where one names none, in the package's own. */
function toolFilesOf(
  name: ToolName | undefined,
  { tool }: Indexed,
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
