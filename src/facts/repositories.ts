/** The git repositories that a mirror holds, as people see them: from their files, without git. */
import { writtenAt } from "../disk/stamp.ts";
import { LRUCache } from "lru-cache";
import { sizeOf } from "../disk/walk.ts";
import { branchesAndTags, headOf } from "../git/refs-in-files.ts";
import { repositoryState } from "../git/repository-state.ts";
import type { Problem } from "../health/problem.ts";
import type { Lock } from "../lock/entries.ts";
import { compareNames } from "../names/hex-names.ts";
import type { HeldRepository } from "../store/inventory.ts";
import { itemOf } from "./family.ts";
import type { GitRepository, GitRepositoryDetail } from "./shape.ts";

export interface RepositorySources {
  readonly held: readonly HeldRepository[];
  readonly locks: readonly Lock[];
  readonly problems: readonly Problem[];
}

const ofRepositories: ReadonlySet<Problem["kind"]> = new Set(["repository", "unserved"]);
// On a page.
const mostRefs = 1000;

/** By host and path. */
export async function listGit(sources: RepositorySources): Promise<GitRepository[]> {
  const all: GitRepository[] = [];
  for (const held of sources.held) all.push((await describe(sources, held)).repository);
  return all.sort((a, b) => compareNames(a.url, b.url));
}

/** undefined: it is not held. */
export async function describeGit(
  sources: RepositorySources,
  host: string,
  path: string,
): Promise<GitRepositoryDetail | undefined> {
  const held = sources.held.find((each) => each.host === host && each.path === path);
  if (held === undefined) return undefined;
  const { repository, refs } = await describe(sources, held);
  const shown = refs === undefined ? null : [...refs].slice(0, mostRefs).map(([name, id]) => ({ name, id }));
  return { ...repository, refs: shown };
}

async function describe(
  { locks, problems }: RepositorySources,
  held: HeldRepository,
): Promise<{ readonly repository: GitRepository; readonly refs: ReadonlyMap<string, string> | undefined }> {
  const { host, path, place } = held;
  const isFolder = place.isFolder();
  const refs = isFolder ? await branchesAndTags(place) : new Map<string, string>();
  const count = (below: string) =>
    refs === undefined ? null : [...refs.keys()].filter((name) => name.startsWith(below)).length;
  const told = problems.filter(({ kind, subject }) => ofRepositories.has(kind) && subject === `${host}/${path}`);
  const repository: GitRepository = {
    host,
    path,
    url: `https://${host}/${path}`,
    bytes: isFolder ? await sizeOfRepository(held) : 0,
    is_shallow: place.at("shallow").isFile(),
    branches: count("refs/heads/"),
    tags: count("refs/tags/"),
    head: (isFolder ? headOf(place) : undefined)?.replace(/^refs\/heads\//, "") ?? null,
    locked: lockedCommits(locks, held),
    problems: told.map(({ text }) => text),
    updated: (isFolder ? writtenAt(place.look()) : undefined) ?? null,
  };
  return { repository, refs };
}

function lockedCommits(locks: readonly Lock[], { host, path }: HeldRepository): GitRepository["locked"] {
  return locks.flatMap(({ name: lock, entries }) =>
    entries.flatMap((entry) => {
      if (entry.kind !== "git") return [];
      const item = itemOf(entry);
      const isIt = item.kind === "git" && item.host === host && item.path.toLowerCase() === path.toLowerCase();
      return isIt ? [{ lock, app: entry.app, revision: entry.revision }] : [];
    }),
  );
}

const sizes = new LRUCache<string, { readonly state: string | undefined; readonly bytes: number }>({ max: 10_000 });

async function sizeOfRepository({ place }: HeldRepository): Promise<number> {
  const state = repositoryState(place);
  const known = sizes.get(place.path);
  if (known !== undefined && known.state === state) return known.bytes;
  const bytes = await sizeOf(place);
  sizes.set(place.path, { state, bytes });
  return bytes;
}
