/**
 * The files that the configuration lists: fetched once, with redirects followed, and from then on compared. A mirror is
 * the only witness of most of them (files.json), so one without a checksum is fetched anew.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { listFiles } from "../disk/walk.ts";
import { MirrorError } from "../errors.ts";
import { isFilePath } from "../names/file-names.ts";
import { lazy } from "../lazy.ts";
import type { FileSource } from "../options.ts";
import { fileJobs, type FileJob } from "../plan/files.ts";
import {
  addFileChecksums,
  readFileChecksums,
  writeFileChecksums,
  type FileChecksums,
} from "../store/file-checksums.ts";
import type { StorePaths } from "../store/paths.ts";
import { pageError } from "../upstream/page.ts";
import { fileUrlThrough } from "../upstream/through.ts";
import { mayAsk, privateHost } from "../upstream/redirect.ts";
import type { Artifact, BringTools, Checked, Problem } from "./artifact.ts";
import type { Item } from "../names/item.ts";
import { transferOf, type Brought } from "../reporter.ts";
import { removeAll } from "./remove.ts";

const ofFile = '; if that is the file itself, give it a "sha256" in the configuration';

export interface FileSettings {
  readonly files: readonly FileSource[];
  readonly found: { readonly keys: ReadonlySet<string>; readonly isOfMirror: boolean };
  /** Another mirror that is asked instead of the hosts; undefined: they are asked. */
  readonly upstream: string | undefined;
  /** Bytes: release assets may be large, and an answer without end must not fill the disk. */
  readonly maxItemSize: number;
}

/** @throws MirrorError `config` for an entry that is none */
export function createFiles(paths: StorePaths, settings: FileSettings): Artifact<FileJob> {
  const { files: sources, found } = settings;
  const jobs = fileJobs(sources);
  const isForeign = found.keys.has("files") && !found.isOfMirror;
  const spared = sparedBecause(jobs, isForeign);
  const placeOf = ({ host, path }: FileJob) => paths.file(host, path);
  const recorded = lazy(async () => readFileChecksums(paths));
  return {
    name: "files",
    weight: 4,
    wanted: async () => ({ jobs, refused: [] }),
    items: (job) => [{ item: itemOf(job), keys: [paths.filePath(job.host, job.path)], locks: [] }],
    has: async (job) => [{ item: itemOf(job), isHeld: placeOf(job).isFile() }],
    bringing: async (given, tools) =>
      openBringing(paths, { ...settings, isForeign, isWhole: given.length === jobs.length }, tools),
    check: async function* (job) {
      // Where they are damaged, what they were the only witness of is told by itself.
      yield await checkFile(job, placeOf(job), await recorded().catch(() => undefined));
    },
    list: async () =>
      (await listFiles(paths.filesDir))
        .filter((file) => isFilePath(file.replaceAll("%3A", "")))
        .map((file) => ({
          item: { kind: "file", url: `https://${file}` },
          key: file,
          places: [paths.filesDir.at(file)],
          ...(spared === undefined ? {} : { spared }),
        })),
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
function sparedBecause(jobs: readonly FileJob[], isForeign: boolean): string | undefined {
  if (jobs.length === 0) return 'the configuration in use has no "files"';
  return isForeign
    ? "the configuration was found in the working folder, and the mirror is not the one there"
    : undefined;
}

function itemOf({ url }: FileJob): Item {
  return { kind: "file", url };
}

/** In files.json. */
function keyOf({ host, path }: FileJob): string {
  return `${host}/${path}`;
}

/** Where it lies below `files`, by its key. */
function pathOf(paths: StorePaths, key: string): string {
  const [host = "", ...rest] = key.split("/");
  return paths.filePath(host, rest.join("/"));
}

interface How extends Pick<FileSettings, "upstream" | "maxItemSize"> {
  readonly isForeign: boolean;
  /** Whether these are all that are wanted: what was known of others is forgotten. */
  readonly isWhole: boolean;
}

async function openBringing(paths: StorePaths, { isForeign, isWhole, ...how }: How, tools: BringTools) {
  const checksums = await readFileChecksums(paths);
  const learned: FileChecksums = new Map();
  const parse = (value: unknown) => (typeof value === "string" ? value : undefined);
  const index = await FileIndex.open(paths.cache, { folder: paths.filesDir.path, parse });
  return {
    bring: async function* (job: FileJob) {
      if (isForeign) await requireMayName(job, checksums, tools);
      yield await bringFile(paths, job, { ...tools, ...how, checksums, learned, index });
    },
    finish: async () => {
      await tools.land(async () => addFileChecksums(paths, learned));
      await index.save({ isWhole });
      return [];
    },
  };
}

/**
 * A configuration that was merely found may list files for a mirror elsewhere, as a lock lists dependencies. It leads to no
 * address of this network, and has no say in what a file was that this mirror has seen.
 */
async function requireMayName(job: FileJob, checksums: FileChecksums, { hosts }: BringTools): Promise<void> {
  const isOfThisMachine = job.host === "localhost" || job.host.startsWith("127.");
  if (!isOfThisMachine && !(await mayAsk(job.host, hosts))) throw privateHost(job.host);
  const known = checksums.get(keyOf(job))?.sha256;
  if (job.sha256 === undefined || known === undefined || job.sha256 === known) return;
  throw new MirrorError(
    "refused",
    `this mirror knows it with SHA-256 ${known}, and only a configuration in the working folder says otherwise; name that ` +
      "file with --config",
  );
}

interface Tools extends BringTools, Omit<How, "isForeign" | "isWhole"> {
  /** As they were when this began. */
  readonly checksums: FileChecksums;
  readonly learned: FileChecksums;
  readonly index: FileIndex<string>;
}

async function bringFile(
  paths: StorePaths,
  job: FileJob,
  { http, land, checksums, learned, index, ...tools }: Tools,
): Promise<Brought> {
  const item = itemOf(job);
  const key = keyOf(job);
  const file = paths.file(job.host, job.path);
  // What the configuration says is what someone looked up; what we recorded is only what came first.
  const expected = job.sha256 ?? checksums.get(key)?.sha256;
  const size = file.look()?.size;
  const held = size === undefined ? undefined : await index.get(key, file, hashFile).catch(() => undefined);
  // What no checksum is known of is not trusted as it lies: what upstream sends decides.
  if (size !== undefined && held !== undefined && held === expected) {
    learned.set(key, { sha256: held, bytes: size });
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
    if (held === sha256) {
      learned.set(key, { sha256, bytes });
      return { item, outcome: "unchanged", bytes };
    }
    await land(async () => {
      // Another process may have been the first to see it.
      const first = job.sha256 ?? (await readFileChecksums(paths)).get(key)?.sha256;
      if (first !== undefined && first !== sha256) throw mismatch(job, sha256, first);
      await temporary.moveTo(file);
      await addFileChecksums(paths, new Map([[key, { sha256, bytes }]]));
    });
    if (expected === undefined) {
      tools.reporter.note(`has no checksum in the configuration; as it came, "sha256" is ${sha256}`, item);
    }
    return { item, outcome: held === undefined ? "added" : "updated", bytes };
  } finally {
    await temporary.remove();
  }
}

function mismatch(job: FileJob, sha256: string, expected: string): MirrorError {
  const says = job.sha256 === undefined ? "the first sync got" : "the configuration says";
  return new MirrorError("integrity", `upstream sent a file with SHA-256 ${sha256}; ${says} ${expected}`);
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

/** @returns 64 hex digits @throws MirrorError `storage`, a system error */
async function hashFile(file: Place): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file.verifiedPath()), hash);
  return hash.digest("hex");
}
