/** What the mirror holds, read from the folder each time: the folder is the only truth. */
import type { Place } from "../disk/place.ts";
import { isTemporary } from "../disk/temporary.ts";
import { stampThrough } from "../disk/stamp.ts";
import { whileUnchanged } from "../disk/while-unchanged.ts";
import { compareNames, isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { isVersion } from "../names/versions.ts";
import { hexpm, ownRepository } from "../names/hex-repository.ts";
import { github } from "../names/known-hosts.ts";
import { hostOfFolder, type StorePaths } from "./paths.ts";
import { parseDocsName, parseTarballName, type RegistryPaths } from "./registry-paths.ts";

/** A tarball, or the documentation, of a release. */
export interface HeldFile {
  readonly name: string;
  readonly version: string;
  readonly place: Place;
}

export interface HeldRepository {
  /** `github.com` for repositories of the old layout, OWNER/REPO.git without a host. */
  readonly host: string;
  /** `owner/repo`, without `.git`. */
  readonly path: string;
  readonly place: Place;
}

/** Whether a Hex repository is this mirror's own: made here, and asked of nobody. */
export function isLocal(paths: StorePaths, repository: string): boolean {
  const { dir, upstreamDir, addedDir } = paths.registry(repository);
  if (repository === hexpm || upstreamDir.isFolder()) return false;
  // A policy of the configuration may be all that is in it.
  return addedDir.isFolder() || (repository === ownRepository && dir.isFolder());
}

/** Whether upstream has once signed a package of that name, as far as it is known here. */
export function isUpstreams(registry: RegistryPaths, name: string): boolean {
  return registry.upstreamPackage(name).isFile() || registry.history(name).isFile();
}

/** The Hex repositories that the folder holds, hexpm first. */
export async function listRegistries(paths: StorePaths): Promise<RegistryPaths[]> {
  const others = (await paths.reposDir.list("folder")).filter((name) => isRepositoryName(name) && name !== hexpm);
  const sources = await paths.upstreamDir.list("folder");
  const repositories = others.map(async (name) => {
    // Upstream's records tell whose it is; what was made by hand has none, and is taken for an organisation's.
    const candidates = [name, ...sources.map((source) => `${source}:${name}`)].filter(isRepositoryName);
    for (const repository of candidates) {
      if (paths.registry(repository).upstreamDir.isFolder()) return paths.registry(repository);
    }
    if (isLocal(paths, name)) return paths.registry(name);
    return paths.registry(`${hexpm}:${name}`);
  });
  return [paths.registry(hexpm), ...(await Promise.all(repositories))];
}

/** By name, then version, whatever order the file system lists them in. @param isAsked of which packages; absent: of all */
export async function listTarballs(
  { tarballsDir }: RegistryPaths,
  isAsked: (name: string) => boolean = () => true,
): Promise<HeldFile[]> {
  return listReleases(tarballsDir, parseTarballName, isAsked);
}

/** Likewise. */
export async function listDocs({ docsDir }: RegistryPaths): Promise<HeldFile[]> {
  return listReleases(docsDir, parseDocsName);
}

/** What we sign of a Hex repository, and what tells of its upstream: what goes when the whole of it goes. */
export async function listSigned(registry: RegistryPaths): Promise<Place[]> {
  const { dir, packagesDir } = registry;
  const records = (await packagesDir.list("file")).filter(isPackageName).map((name) => packagesDir.at(name));
  const lists = ["names", "versions", "public_key"].map((name) => dir.at(name));
  const all = [...lists, ...records, registry.validators, registry.upstreamPublicKey];
  return all.filter((place) => place.isFile());
}

async function listReleases(
  dir: Place,
  parse: typeof parseTarballName,
  isAsked: (name: string) => boolean = () => true,
): Promise<HeldFile[]> {
  const held: HeldFile[] = [];
  // Whatever has such a name: one that is no regular file is damaged, and not as good as none.
  for (const { name: file } of await dir.entries()) {
    const parsed = parse(file);
    if (parsed === undefined || !isAsked(parsed.name)) continue;
    if (isVersion(parsed.version)) held.push({ ...parsed, place: dir.at(file) });
  }
  return held.sort((a, b) => compareNames(a.name, b.name) || compareNames(a.version, b.version));
}

/** Hosts are told from owners of the old layout by what lies below: a repository lies at least two levels down. */
export async function listRepositories(paths: StorePaths): Promise<HeldRepository[]> {
  return (await walkRepositories(paths)).repositories;
}

/** The same, for who asks all the time: a folder's time tells of what comes and goes in it. */
export function watchRepositories(paths: StorePaths): () => Promise<readonly HeldRepository[]> {
  let folders: readonly Place[] = [paths.git];
  const stamp = () => folders.map(({ path }) => stampThrough(path)).join("\n");
  return whileUnchanged(stamp, async () => {
    const walk = await walkRepositories(paths);
    folders = walk.folders;
    return walk.repositories;
  });
}

interface Walk {
  readonly repositories: HeldRepository[];
  /** Where it looked. */
  readonly folders: Place[];
}

async function walkRepositories(paths: StorePaths): Promise<Walk> {
  const walk: Walk = { repositories: [], folders: [paths.git] };
  for (const first of await paths.git.list("folder")) {
    const host = hostOfFolder(first);
    await collect(paths.git.at(first), host === undefined ? first : "", host ?? github, walk);
  }
  return walk;
}

const maxRepositoryDepth = 12;

async function collect(dir: Place, prefix: string, host: string, walk: Walk): Promise<void> {
  if (prefix.split("/").length > maxRepositoryDepth) return;
  walk.folders.push(dir);
  for (const { name, kind } of await dir.allEntries()) {
    // A repository may be called `.github`; what is being made beside it is none.
    if (name.startsWith(".") && (!name.endsWith(".git") || isTemporary(name))) continue;
    const path = prefix === "" ? name : `${prefix}/${name}`;
    // Whatever has a repository's name; a link or a file is a damaged one.
    if (name.endsWith(".git"))
      walk.repositories.push({ host, path: path.slice(0, -".git".length), place: dir.at(name) });
    else if (kind === "folder") await collect(dir.at(name), path, host, walk);
  }
}
