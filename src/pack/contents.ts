/**
 * What of a mirror travels, layer by layer: walked anew each time, since the folder is the only truth. What only this user may
 * read stays, unless they say otherwise: organisations, other Hex repositories and the mirror's own, and git repositories that
 * were not brought as anybody could.
 */
import type { Place } from "../disk/place.ts";
import { isTemporary } from "../disk/temporary.ts";
import { filesBelow } from "../disk/walk.ts";
import { MirrorError, describeError } from "../errors.ts";
import { readAccess } from "../git/access.ts";
import { configForOthers } from "../git/settings.ts";
import { inspectRepository, type GitFeatures } from "../git/inspect.ts";
import type { Item } from "../names/item.ts";
import { hexpm } from "../names/hex-repository.ts";
import { listRegistries, listRepositories } from "../store/inventory.ts";
import { mirrorFileText, readMirrorFile } from "../store/mirror-file.ts";
import type { StorePaths } from "../store/paths.ts";
import { inRepository, isOfOtherRepository, layerOf, layerOfLarge, layerOfSmall } from "./parts.ts";

export interface PackedFile {
  /** Below the mirror, with `/`. */
  readonly path: string;
  /** A file, or bytes that stand in its place. */
  readonly content: Place | Buffer;
  /** Bytes. */
  readonly size: number;
}

export interface PackedLayer {
  /** `tarballs-07`, `git/github.com/owner/repo.git` */
  readonly name: string;
  /** By path, sorted. */
  readonly files: readonly PackedFile[];
}

export interface LeftOut {
  readonly item: Item;
  readonly reason: string;
  /** Whether --with-private would take it. */
  readonly isPrivate: boolean;
}

export interface Contents {
  /** In the order in which they are laid over each other. */
  readonly layers: readonly PackedLayer[];
  readonly leftOut: readonly LeftOut[];
  /** The git repositories of these, by their folders below `git`. */
  readonly stay: ReadonlySet<string>;
}

export interface ContentsOptions {
  readonly withPrivate: boolean;
  /** How many layers there may be in all. */
  readonly maxLayers: number;
  readonly features: GitFeatures;
}

// Bytes: a smaller repository shares its layer.
const small = 1024 * 1024;

/**
 * For the only writer, and whoever keeps others from the repositories: what may be signed or written anew is read now. What is
 * large is read when its turn comes, and must have the size by then that it has now. @throws MirrorError `storage`, `busy`
 */
export async function contentsOf(paths: StorePaths, options: ContentsOptions): Promise<Contents> {
  const { withPrivate } = options;
  const files = new Map<string, PackedFile[]>();
  const leftOut: LeftOut[] = [];
  const add = (layer: string, file: PackedFile) => {
    const known = files.get(layer);
    if (known === undefined) files.set(layer, [file]);
    else known.push(file);
  };
  for await (const file of plainFiles(paths)) {
    const layer = layerOf(file.path);
    if (layer !== undefined && (withPrivate || !isOfOtherRepository(file.path))) add(layer, file);
  }
  const about = await mirrorFile(paths, options);
  if (about !== undefined) add("lists", about);
  if (!withPrivate) {
    const others = (await listRegistries(paths)).map(({ repository }) => repository).filter((name) => name !== hexpm);
    leftOut.push(
      ...others.map((repository): LeftOut => ({
        item: { kind: "registry", repository },
        reason: "it may be private",
        isPrivate: true,
      })),
    );
  }
  const stay = new Set<string>();
  const repositories = await packedRepositories(paths, options, { leftOut, stay });
  const own = ownLayers(repositories, options.maxLayers - files.size);
  for (const { name, files: all } of repositories) {
    for (const file of all) add(own(name), file);
  }
  const layers = [...files].map(([name, all]) => ({ name, files: all.sort((a, b) => (a.path < b.path ? -1 : 1)) }));
  return { layers: layers.sort((a, b) => order(a.name) - order(b.name) || (a.name < b.name ? -1 : 1)), leftOut, stay };
}

/** What is large and lasts, first. */
function order(layer: string): number {
  const kinds = ["git", "installs", "files", "tarballs", "records", "lists"];
  return kinds.findIndex((kind) => layer === kind || layer.startsWith(`${kind}-`) || layer.startsWith(`${kind}/`));
}

async function* plainFiles(paths: StorePaths): AsyncGenerator<PackedFile> {
  const { hex, knownLocksDir, upstreamDir, historyDir, addedDir, filesDir, fileChecksums } = paths;
  const rooms = {
    hex,
    locks: knownLocksDir,
    upstream: upstreamDir,
    history: historyDir,
    added: addedDir,
    files: filesDir,
  };
  for (const [name, room] of Object.entries(rooms)) {
    for await (const file of filesOf(name, room))
      yield /\.(?:tar|tar\.gz|ez)$|^files\//.test(file.path) ? file : readNow(file);
  }
  if (fileChecksums.isFile()) yield readNow(packed("files.json", fileChecksums));
}

/** @param path of the folder below the mirror */
async function* filesOf(path: string, folder: Place): AsyncGenerator<PackedFile> {
  const start = folder.path.length + 1;
  for await (const file of filesBelow(folder, true)) {
    if (!isTemporary(file.name)) yield packed(`${path}/${file.path.slice(start).replaceAll("\\", "/")}`, file);
  }
}

async function readNow({ path, content: file }: PackedFile): Promise<PackedFile> {
  const content = Buffer.isBuffer(file) ? file : await file.read();
  if (content === undefined) throw new MirrorError("busy", `${path} went while it was packed; run it again`);
  return { path, content, size: content.length };
}

/** @throws MirrorError `storage` for a name that is no UTF-8, which cannot be looked up by what it reads as */
function packed(path: string, place: Place): PackedFile {
  const found = place.look();
  if (found === undefined) throw new MirrorError("storage", `${place.path} went while it was packed, or is no UTF-8`);
  return { path, content: place, size: found.size };
}

/** Without those whose records are left out; and where it arrives, nobody is asked for what it lacks until somebody says so. */
async function mirrorFile(paths: StorePaths, { withPrivate }: ContentsOptions): Promise<PackedFile | undefined> {
  const known = await readMirrorFile(paths);
  if (known === undefined) return undefined;
  const { registryName, upstreams } = known;
  const kept = Object.entries(upstreams).filter(([source]) => withPrivate || source === hexpm);
  const content = Buffer.from(
    mirrorFileText({ format: 1, registryName, upstreams: Object.fromEntries(kept), pull: false }),
  );
  return { path: "mirror.json", content, size: content.length };
}

interface PackedRepository {
  readonly name: string;
  readonly bytes: number;
  readonly files: readonly PackedFile[];
}

async function packedRepositories(
  paths: StorePaths,
  { withPrivate, features }: ContentsOptions,
  { leftOut, stay }: { readonly leftOut: LeftOut[]; readonly stay: Set<string> },
): Promise<PackedRepository[]> {
  const all: PackedRepository[] = [];
  for (const { host, path, place } of await listRepositories(paths)) {
    const inspection = inspectRepository(place, features);
    const access = inspection.state === "plain" ? await readAccess(place) : undefined;
    const why =
      inspection.state !== "plain"
        ? inspection.reason
        : withPrivate || access === "anyone"
          ? undefined
          : access === "login"
            ? "it was fetched with a login, by ssh, from this machine or by another mirror"
            : "it is not known whether anybody may read it: sync it once more";
    const leave = (reason: string) => {
      stay.add(place.below);
      leftOut.push({ item: { kind: "git", host, path }, reason, isPrivate: inspection.state === "plain" });
    };
    if (why !== undefined) {
      leave(why);
      continue;
    }
    const name = `git/${place.below}`;
    let files: PackedFile[];
    try {
      files = await repositoryFiles(name, place);
    } catch (error) {
      leave(describeError(error));
      continue;
    }
    all.push({ name, files, bytes: files.reduce((sum, { size }) => sum + size, 0) });
  }
  return all;
}

async function repositoryFiles(name: string, place: Place): Promise<PackedFile[]> {
  const files: PackedFile[] = [];
  for await (const file of filesOf(name, place)) {
    const found = inRepository(file.path);
    if (found !== undefined && found.file !== "config") files.push(file);
  }
  const config = Buffer.from(configForOthers((await place.at("config").read())?.toString("utf8") ?? ""));
  return [...files, { path: `${name}/config`, content: config, size: config.length }];
}

/** @param room for layers of git repositories @returns which layer each has: small ones share some, and large ones that are too many */
function ownLayers(repositories: readonly PackedRepository[], room: number): (name: string) => string {
  const shared = new Set(repositories.filter(({ bytes }) => bytes < small).map(({ name }) => name));
  const own = repositories.length - shared.size;
  const ofShared = new Set([...shared].map(layerOfSmall)).size;
  const isTooMany = own + ofShared > room;
  return (name) => (shared.has(name) ? layerOfSmall(name) : isTooMany ? layerOfLarge(name) : name);
}
