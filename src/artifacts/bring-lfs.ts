/**
 * What the files of locked commits point to by Git LFS: fetched from the repository's own LFS server, with the login that git has
 * for it, held to the SHA-256 that the pointer names, and kept beside the repository.
 */
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import { FileIndex } from "../disk/file-index.ts";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { lfsPlace, listLfsObjects, type LfsObject } from "../git/lfs.ts";
import { authorizationSetting, helpersLogin } from "../git/logins.ts";
import type { BareRepository } from "../git/bare-repository.ts";
import { transferOf } from "../reporter.ts";
import { downloadLfs, findLfs, lfsUrlOf, type LfsServer } from "../upstream/lfs.ts";
import { hostOf } from "../upstream/redirect.ts";
import type { BringTools } from "./artifact.ts";
import { hashFile } from "./bring-files.ts";

// Of one repository at once.
const downloads = 4;

export interface LfsOptions {
  /** Where git went, and as whom where a login stood in its URL. */
  readonly reached: { readonly url: string; readonly authorization: string | undefined };
  readonly environments: GitEnvironments;
  /** Bytes of one object. */
  readonly maxItemSize: number;
  /** The cache folder, where it is kept what was hashed before. */
  readonly cache: Place;
}

/** Those that are here, by name and size. */
export function isLfsHeld(repository: Place, { oid, size }: LfsObject): boolean {
  return lfsPlace(repository, oid).look()?.size === size;
}

/** @returns how many came, and how many bytes @throws MirrorError */
export async function bringLfs(
  repository: BareRepository,
  revisions: readonly string[],
  { reached, environments, maxItemSize, cache }: LfsOptions,
  tools: BringTools,
): Promise<{ readonly count: number; readonly bytes: number }> {
  const wanted = new Map<string, LfsObject>();
  for (const revision of revisions) {
    for (const object of await listLfsObjects(repository, revision)) wanted.set(object.oid, object);
  }
  const missing = await lackingOf(repository.place, [...wanted.values()], cache);
  if (missing.length === 0) return { count: 0, bytes: 0 };
  const server = lfsUrlOf(reached.url);
  if (server === undefined) {
    throw new MirrorError(
      "refused",
      "it keeps files in Git LFS, which are asked for by https alone; give it an https URL",
    );
  }
  const transfer = transferOf(tools);
  // It may send to itself, whatever its address: somebody named it.
  const hosts = new Set([...tools.hosts, ...[hostOf(server)].filter((host) => host !== undefined)]);
  const ask = async (authorization: string | undefined) =>
    findLfs(missing, { url: server, authorization }, { ...tools, transfer });
  const { authorization } = reached;
  const sources = await (authorization === undefined
    ? withLogin(server, environments, tools, ask)
    : ask(authorization));
  const limit = pLimit(downloads);
  const bring = async (source: (typeof sources)[number]) => {
    const place = lfsPlace(repository.place, source.object.oid);
    place.parent?.makeFolder();
    const temporary = place.temporary();
    try {
      const bytes = await downloadLfs(source, temporary, { ...tools, hosts, transfer, maxItemSize });
      await temporary.moveTo(place);
      return bytes;
    } finally {
      await temporary.remove();
    }
  };
  const sizes = await Promise.all(sources.map(async (source) => limit(async () => bring(source))));
  return { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** What is not here, or is here and something else. */
async function lackingOf(repository: Place, objects: readonly LfsObject[], cache: Place): Promise<LfsObject[]> {
  if (objects.length === 0) return [];
  const parse = (value: unknown) => (typeof value === "string" ? value : undefined);
  const index = await FileIndex.open(cache, { folder: `lfs of ${repository.path}`, parse });
  const lacking: LfsObject[] = [];
  for (const object of objects) {
    const place = lfsPlace(repository, object.oid);
    const isHere = isLfsHeld(repository, object) && (await index.get(object.oid, place, hashFile)) === object.oid;
    if (!isHere) lacking.push(object);
  }
  await index.save();
  return lacking;
}

/** As what the user's settings send, and where that is not enough, as whom their helpers know. */
async function withLogin<T>(
  server: LfsServer["url"],
  environments: GitEnvironments,
  { signal }: Pick<BringTools, "signal">,
  ask: (authorization: string | undefined) => Promise<T>,
): Promise<T> {
  const upstream = environments.upstream();
  const set = await authorizationSetting(upstream, server);
  try {
    return await ask(set);
  } catch (error) {
    if (!(error instanceof MirrorError) || error.code !== "unauthorized") throw error;
    const login = await helpersLogin(upstream, server, signal);
    if (login === undefined || login === set) throw error;
    return ask(login);
  }
}
