/**
 * Files that are no packages: those that the configuration lists, and those that packages download while they are compiled,
 * as their tarballs say it (package-downloads.ts). A mirror is the only witness of some of them (files.json), so one without
 * a checksum is fetched anew.
 */
import { listFiles } from "../disk/walk.ts";
import type { Place } from "../disk/place.ts";
import type { Targets } from "../names/platforms.ts";
import { describeError } from "../errors.ts";
import { lazy } from "../lazy.ts";
import type { Lock } from "../lock/entries.ts";
import { isFilePath } from "../names/file-names.ts";
import { releaseItem } from "../names/item.ts";
import type { FileSource } from "../options.ts";
import { packageJobs } from "../plan/packages.ts";
import { fileJob, fileJobs, itemOf, keyOf, partsOf, type FileJob } from "../plan/files.ts";
import type { Reporter } from "../reporter.ts";
import { readFileChecksums, writeFileChecksums, type FileChecksums } from "../store/file-checksums.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Artifact, Checked, Problem, Refused, Wanted } from "./artifact.ts";
import { bringingFiles } from "./bring-files.ts";
import { hashFile } from "./hash-file.ts";
import { unreadBesides } from "./compiles.ts";
import { downloadsOf, type ReleaseDownloads } from "./package-downloads.ts";
import { removeAll } from "./remove.ts";

export interface FileSettings {
  readonly files: readonly FileSource[];
  readonly found: { readonly keys: ReadonlySet<string>; readonly isOfMirror: boolean };
  readonly upstream: string | undefined;
  readonly maxItemSize: number;
  /** Whether what packages download is wanted, and for which machines. */
  readonly artefacts: boolean;
  readonly targets: () => Targets;
}

/** @throws MirrorError `config` for an entry that is none */
export function createFiles(paths: StorePaths, settings: FileSettings): Artifact<FileJob> {
  const { files: sources, found, artefacts, targets } = settings;
  const listed = fileJobs(sources);
  const isForeign = found.keys.has("files") && !found.isOfMirror;
  const spared = sparedBecause(listed, isForeign);
  const placeOf = ({ host, path }: FileJob) => paths.file(host, path);
  const isHeld = (job: FileJob) => partsOf(job).every((part) => placeOf(part).isFile());
  const recorded = lazy(async () => readFileChecksums(paths));
  let asked: readonly ReleaseDownloads[] = [];
  /** Whether a package is not here that may want some of them. */
  let isUnsure = false;
  /** What packages download: what is asked for, and what is here because it once was. */
  const downloaded = async (locks: readonly Lock[], withHeld: boolean): Promise<Wanted<FileJob>> => {
    asked = artefacts ? await downloadsOf(paths, locks, targets()) : [];
    const held = withHeld ? jobsOf(await downloadsOf(paths, locks, "all")).jobs.filter(isHeld) : [];
    isUnsure = withHeld && hasAbsent(paths, locks);
    const { jobs, refused } = jobsOf(asked);
    return { jobs: [...jobs, ...held], refused };
  };
  return {
    name: "files",
    weight: 4,
    isReadFromOthers: artefacts,
    wanted: async ({ locks, withHeld = false }) => together(listed, await downloaded(locks, withHeld)),
    items: (job) =>
      partsOf(job).map((part) => ({
        item: itemOf(part),
        keys: [paths.filePath(part.host, part.path)],
        locks: (job.asking ?? []).map(({ lock }) => lock),
      })),
    has: async (job) => partsOf(job).map((part) => ({ item: itemOf(part), isHeld: placeOf(part).isFile() })),
    bringing: async (given, tools) => {
      for (const release of asked) tellUnread(release, listed, tools.reporter);
      const isWhole = !artefacts && given.length === listed.length;
      return bringingFiles(paths, { ...settings, isForeign, isWhole }, tools);
    },
    check: async function* (job) {
      // Where they are damaged, what they were the only witness of is told by itself.
      const checksums = await recorded().catch(() => undefined);
      for (const part of partsOf(job)) yield await checkFile(part, placeOf(part), checksums);
    },
    list: async () => {
      const ofPackages = await pathsOfPackages(paths);
      const files = (await listFiles(paths.filesDir)).filter((file) => isFilePath(file.replaceAll("%3A", "")));
      return files.map((file) => ({
        item: { kind: "file", url: `https://${file}` },
        key: file,
        places: [paths.filesDir.at(file)],
        // What packages ask for no configuration has to name.
        ...sparedAs(ofPackages.has(file) ? (isUnsure ? absentPackage : undefined) : spared),
      }));
    },
    damageOf: async ({ key, places: [place] }) => {
      const known = [...(await recorded())].find(([name]) => pathOf(paths, name) === key)?.[1];
      if (place === undefined || known === undefined) return undefined;
      return (await hashFile(place)) === known.sha256 ? undefined : "its SHA-256 is another than the first sync got";
    },
    remove: async (held) => {
      await removeAll(held, [paths.filesDir]);
      const gone = new Set(held.map(({ key }) => key));
      const kept = [...(await readFileChecksums(paths))].filter(([name]) => !gone.has(pathOf(paths, name)));
      await writeFileChecksums(paths, new Map(kept));
    },
  };
}

/** It may be the configuration of another folder. */
function sparedBecause(listed: readonly FileJob[], isForeign: boolean): string | undefined {
  if (listed.length === 0) return 'the configuration in use has no "files"';
  return isForeign
    ? "the configuration was found in the working folder, and the mirror is not the one there"
    : undefined;
}

const absentPackage = "a package that a lock names, and may download it, is not here";

function sparedAs(spared: string | undefined): { readonly spared?: string } {
  return spared === undefined ? {} : { spared };
}

function hasAbsent(paths: StorePaths, locks: readonly Lock[]): boolean {
  return packageJobs(locks).some(({ repository, name, releases }) =>
    releases.some(({ version }) => !paths.registry(repository).tarball(name, version).isFile()),
  );
}

function jobsOf(releases: readonly ReleaseDownloads[]): Wanted<FileJob> {
  const jobs: FileJob[] = [];
  const refused: Refused[] = [];
  for (const { demands, files } of releases) {
    const asking = demands.map(({ lock, app }) => ({ lock, app }));
    for (const { url, sha256, npm } of files) {
      try {
        jobs.push({ ...fileJob(url, sha256), npm, asking });
      } catch (error) {
        refused.push({ item: itemOf({ url }), reason: describeError(error), ...asking[0] });
      }
    }
  }
  return { jobs, refused };
}

/** With the entry of the configuration that takes the place of what cannot be read. */
function tellUnread(release: ReleaseDownloads, listed: readonly FileJob[], reporter: Reporter): void {
  for (const { reason, checksums, guess = "https://HOST/PATH" } of unreadBesides(release, listed)) {
    const [first, ...more] = Object.entries(checksums);
    const [file, sha256] = first ?? [];
    const entry = `{"url": "${guess}/${file}", "sha256": "${sha256}"}`;
    const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
    const remedy =
      file === undefined ? "" : `; name what it downloads under "files" in mirror.config.json: ${entry}${others}`;
    const item = releaseItem(release, release.version);
    reporter.note(`may not compile without a network: ${reason}${remedy}`, item);
  }
}

/** Each file once; of two that say different things, the configuration's counts, and the other is told. */
function together(listed: readonly FileJob[], { jobs, refused }: Wanted<FileJob>): Wanted<FileJob> {
  const all = new Map(listed.map((job) => [keyOf(job), job]));
  const problems: Refused[] = [...refused];
  for (const job of jobs) {
    const key = keyOf(job);
    const other = all.get(key);
    if (other === undefined) all.set(key, job);
    else if ((other.sha256 ?? job.sha256) !== (job.sha256 ?? other.sha256)) {
      const reason = `the package that downloads it says SHA-256 ${job.sha256}, and another says ${other.sha256}`;
      problems.push({ item: itemOf(job), reason, ...job.asking?.[0] });
    } else
      all.set(key, {
        ...other,
        sha256: other.sha256 ?? job.sha256,
        npm: bothNpm(other.npm, job.npm),
        asking: [...(other.asking ?? []), ...(job.asking ?? [])],
      });
  }
  return { jobs: [...all.values()], refused: problems };
}

/** By the keys of any of the packages: of one that knows none, the others'. */
function bothNpm(one: FileJob["npm"], other: FileJob["npm"]): FileJob["npm"] {
  return one === undefined || other === undefined ? (one ?? other) : { ...one, keys: { ...one.keys, ...other.keys } };
}

/** Where those lie below `files` that came for a package; none where that cannot be read. */
async function pathsOfPackages(paths: StorePaths): Promise<ReadonlySet<string>> {
  const recorded = await readFileChecksums(paths).catch((): FileChecksums => new Map());
  return new Set([...recorded].flatMap(([key, { isOfPackage }]) => (isOfPackage ? [pathOf(paths, key)] : [])));
}

/** Where it lies below `files`, by its key. */
function pathOf(paths: StorePaths, key: string): string {
  const [host = "", ...rest] = key.split("/");
  return paths.filePath(host, rest.join("/"));
}

async function checkFile(job: FileJob, file: Place, checksums: FileChecksums | undefined): Promise<Checked> {
  const problem = (state: Problem["state"], reason: string): Checked => ({
    item: itemOf(job),
    problems: [{ state, reason }],
  });
  const expected = job.sha256 ?? checksums?.get(keyOf(job))?.sha256;
  if (!file.isFile()) return problem("missing", "the file is not here");
  if (expected === undefined) return problem("damaged", "no checksum of it is known; sync it again");
  if ((await hashFile(file)) !== expected) return problem("damaged", "its SHA-256 is another");
  return { item: itemOf(job), problems: [] };
}
