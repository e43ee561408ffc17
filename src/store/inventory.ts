/** What the mirror holds, read from the folder each time: the folder is the only truth. */
import { join } from "node:path";
import { isFolder } from "../files.ts";
import { compareNames, isRepositoryName, isVersion } from "../hex/names.ts";
import { hexpm } from "../hex/repository.ts";
import { listFolder } from "./atomic.ts";
import { hostOfFolder, type StorePaths } from "./paths.ts";
import { parseDocsName, parseTarballName, type RegistryPaths } from "./registry-paths.ts";

/** A tarball, or the documentation, of a release. */
export interface HeldFile {
  readonly name: string;
  readonly version: string;
  readonly path: string;
}

export interface HeldRepository {
  /** `github.com` for repositories of the old layout, OWNER/REPO.git without a host. */
  readonly host: string;
  /** `owner/repo`, without `.git`. */
  readonly path: string;
  readonly dir: string;
}

/** The Hex repositories that the folder holds, hexpm first. */
export async function listRegistries(paths: StorePaths): Promise<RegistryPaths[]> {
  const others = (await listFolder(paths.reposDir)).filter((name) => isRepositoryName(name) && name !== hexpm);
  const sources = await listFolder(paths.upstreamDir);
  const repositories = others.map(async (name) => {
    // Upstream's records tell whose it is; what was made by hand has none, and is taken for an organisation's.
    const candidates = [name, ...sources.map((source) => `${source}:${name}`)].filter(isRepositoryName);
    for (const repository of candidates) {
      if (await isFolder(paths.registry(repository).upstreamDir)) return paths.registry(repository);
    }
    return paths.registry(`${hexpm}:${name}`);
  });
  return [paths.registry(hexpm), ...(await Promise.all(repositories))];
}

/** By name, then version, whatever order the file system lists them in. */
export async function listTarballs({ tarballsDir }: RegistryPaths): Promise<HeldFile[]> {
  return listReleases(tarballsDir, parseTarballName);
}

/** Likewise. */
export async function listDocs({ docsDir }: RegistryPaths): Promise<HeldFile[]> {
  return listReleases(docsDir, parseDocsName);
}

async function listReleases(dir: string, parse: typeof parseTarballName): Promise<HeldFile[]> {
  const held: HeldFile[] = [];
  for (const file of await listFolder(dir)) {
    const parsed = parse(file);
    if (parsed !== undefined && isVersion(parsed.version)) held.push({ ...parsed, path: join(dir, file) });
  }
  return held.sort((a, b) => compareNames(a.name, b.name) || compareNames(a.version, b.version));
}

/** Hosts are told from owners of the old layout by what lies below: a repository lies at least two levels down. */
export async function listRepositories(paths: StorePaths): Promise<HeldRepository[]> {
  const found: HeldRepository[] = [];
  for (const first of await listFolder(paths.gitDir)) {
    const host = hostOfFolder(first);
    await collect(join(paths.gitDir, first), host === undefined ? first : "", host ?? "github.com", found);
  }
  return found;
}

const maxRepositoryDepth = 12;

async function collect(dir: string, prefix: string, host: string, found: HeldRepository[]): Promise<void> {
  if (prefix.split("/").length > maxRepositoryDepth) return;
  for (const name of await listFolder(dir)) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const child = join(dir, name);
    if (name.endsWith(".git")) found.push({ host, path: path.slice(0, -".git".length), dir: child });
    else if (await isFolder(child)) await collect(child, path, host, found);
  }
}
