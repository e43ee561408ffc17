/**
 * Brings files: fetched once, with redirects followed, and from then on compared with what is known of them: what the
 * configuration says, what the tarball of a package says, what npm has signed, or else what the first sync got (files.json).
 */
import type { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { readNpmPackage } from "../downloads/npm.ts";
import { MirrorError } from "../errors.ts";
import { aboutJob, itemOf, keyOf, type FileJob } from "../plan/files.ts";
import { digest, hashFile, openHashes } from "./hash-file.ts";
import { transferOf, type Brought } from "../reporter.ts";
import { addFileChecksums, readFileChecksums, type FileChecksums, type FileRecord } from "../store/file-checksums.ts";
import type { StorePaths } from "../store/paths.ts";
import { pageError } from "../upstream/page.ts";
import { mayAsk, privateHost } from "../upstream/redirect.ts";
import { fileUrlThrough } from "../upstream/through.ts";
import type { Bringing, BringTools } from "./artifact.ts";

export interface BringFilesOptions {
  /** Another mirror that is asked instead of the hosts; undefined: they are asked. */
  readonly upstream: string | undefined;
  /** Bytes: release assets may be large, and an answer without end must not fill the disk. */
  readonly maxItemSize: number;
  /** Whether the configuration that lists them was merely found: it may list them for a mirror elsewhere. */
  readonly isForeign: boolean;
  /** Whether these are all that are wanted: what was known of others is forgotten. */
  readonly isWhole: boolean;
}

export async function bringingFiles(
  paths: StorePaths,
  { isForeign, isWhole, ...how }: BringFilesOptions,
  tools: BringTools,
): Promise<Bringing<FileJob>> {
  const checksums = await readFileChecksums(paths);
  const learned: FileChecksums = new Map();
  const index = await openHashes(paths.cache, paths.filesDir.path);
  const one = { ...tools, ...how, checksums, learned, index };
  return {
    bring: async function* (job) {
      if (isForeign || job.asking !== undefined) await requireMayName(job, checksums, tools);
      yield* job.npm === undefined
        ? [await bringFile(paths, job, one)]
        : bringNpm(paths, job, { ...one, npm: job.npm });
    },
    finish: async () => {
      await tools.land(async () => addFileChecksums(paths, learned));
      await index.save({ isWhole });
      return [];
    },
  };
}

/**
 * A configuration that was merely found may list files for a mirror elsewhere, as a lock lists dependencies, and a package may
 * name any host. They lead to no address of this network, and have no say in what a file was that this mirror has seen.
 */
async function requireMayName(
  job: FileJob,
  checksums: FileChecksums,
  { hosts }: Pick<BringTools, "hosts">,
): Promise<void> {
  const isOfThisMachine = job.host === "localhost" || job.host.startsWith("127.");
  const mayBeAsked = job.isListed === true && isOfThisMachine;
  if (!mayBeAsked && !(await mayAsk(job.host, hosts))) throw privateHost(job.host);
  const known = checksums.get(keyOf(job))?.sha256;
  if (job.sha256 === undefined || known === undefined || job.sha256 === known) return;
  const other =
    job.asking === undefined
      ? "only a configuration in the working folder says otherwise; name that file with --config"
      : `a package says ${job.sha256}; if that is right, delete its entry in files.json and sync again`;
  throw new MirrorError("refused", `this mirror knows it with SHA-256 ${known}, and ${other}`);
}

interface Tools extends BringTools, Pick<BringFilesOptions, "upstream" | "maxItemSize"> {
  /** As they were when this began. */
  readonly checksums: FileChecksums;
  readonly learned: FileChecksums;
  readonly index: FileIndex<string>;
}

/** What npm says of it first: that tells what it has to be. */
async function* bringNpm(
  paths: StorePaths,
  job: FileJob,
  { npm, ...tools }: Tools & { readonly npm: NonNullable<FileJob["npm"]> },
): AsyncGenerator<Brought> {
  const about = aboutJob(job) ?? job;
  const sha512In = async (file: Place) => readNpmPackage((await file.read())?.toString("utf8") ?? "", job.url, npm);
  yield await bringFile(paths, about, tools, async (file) => void (await sha512In(file)));
  const expected = await sha512In(paths.file(about.host, about.path));
  yield await bringFile(paths, job, tools, async (file) => {
    if ((await digest(file, "sha512")).equals(expected)) return;
    throw new MirrorError("integrity", "upstream sent another file than npm has signed");
  });
}

/** @param vouch looks at what came, where no checksum is known beforehand; throws where it is not right */
async function bringFile(
  paths: StorePaths,
  job: FileJob,
  { http, land, checksums, learned, index, ...tools }: Tools,
  vouch?: (file: Place) => Promise<void>,
): Promise<Brought> {
  const item = itemOf(job);
  const key = keyOf(job);
  const file = paths.file(job.host, job.path);
  // What the configuration or a tarball says is what someone looked up; what we recorded is only what came first, and of no
  // account where npm vouches for what comes.
  const recorded = (known: FileChecksums) => (vouch === undefined ? known.get(key)?.sha256 : undefined);
  const expected = job.sha256 ?? recorded(checksums);
  const size = file.look()?.size;
  const held = size === undefined ? undefined : await index.get(key, file, hashFile).catch(() => undefined);
  // What no checksum is known of is not trusted as it lies: what upstream sends decides.
  const isRight =
    (held === expected || (expected === undefined && vouch !== undefined)) &&
    (vouch === undefined || (await isVouchedFor(file, vouch)));
  if (size !== undefined && held !== undefined && isRight) {
    learned.set(key, recordOf(job, held, size));
    return { item, outcome: "unchanged", bytes: 0 };
  }
  const temporary = file.temporary();
  try {
    file.parent?.makeFolder();
    const options = { maxSize: tools.maxItemSize, isGzip: /\.t?gz$/.test(job.path), ...transferOf(tools) };
    const { sha256, bytes } = await http.download(
      fileUrlThrough(tools.upstream, job.url),
      temporary,
      options,
      ({ status, sha256: got, isPage }) => {
        if (status === 404) throw new MirrorError("not_found", "upstream does not have it (status 404)");
        if (status !== 200) throw new MirrorError("upstream", `upstream answered with status ${status}`);
        if (expected !== undefined && got !== expected) throw mismatch(job, got, expected);
        if (expected === undefined && isPage) throw pageError(new URL(job.url).host, ofFile);
      },
    );
    await vouch?.(temporary);
    if (held === sha256) {
      learned.set(key, recordOf(job, sha256, bytes));
      return { item, outcome: "unchanged", bytes };
    }
    await land(async () => {
      // Another process may have been the first to see it.
      const first = job.sha256 ?? recorded(await readFileChecksums(paths));
      if (first !== undefined && first !== sha256) throw mismatch(job, sha256, first);
      await temporary.moveTo(file);
      await addFileChecksums(paths, new Map([[key, recordOf(job, sha256, bytes)]]));
    });
    if (expected === undefined && vouch === undefined) {
      const who = job.asking === undefined ? "has no checksum in the configuration" : "has no checksum in any package";
      tools.reporter.note(`${who}; as it came, "sha256" is ${sha256}`, item);
    }
    return { item, outcome: held === undefined ? "added" : "updated", bytes };
  } finally {
    await temporary.remove();
  }
}

async function isVouchedFor(file: Place, vouch: (file: Place) => Promise<void>): Promise<boolean> {
  return (
    file.isFile() &&
    vouch(file).then(
      () => true,
      () => false,
    )
  );
}

function recordOf({ isListed }: FileJob, sha256: string, bytes: number): FileRecord {
  return { sha256, bytes, ...(isListed === true ? {} : { isOfPackage: true as const }) };
}

const ofFile = '; if that is the file itself, give it a "sha256" in the configuration';

function mismatch(job: FileJob, sha256: string, expected: string): MirrorError {
  const says = job.sha256 === undefined ? "the first sync got" : saysOf(job);
  return new MirrorError("integrity", `upstream sent a file with SHA-256 ${sha256}; ${says} ${expected}`);
}

function saysOf({ asking }: FileJob): string {
  return asking === undefined ? "the configuration says" : "the package that downloads it says";
}
