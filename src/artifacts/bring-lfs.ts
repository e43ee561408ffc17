/**
 * What the files of locked commits point to by Git LFS: fetched from the repository's own LFS server, with the login that git has
 * for it, held to the SHA-256 that the pointer names, and kept beside the repository.
 */
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { isLfsHeld, lfsPlace, lfsUrlIn, listLfsObjects, type LfsObject } from "../git/lfs.ts";
import { authorizationSetting, helpersLogin } from "../git/logins.ts";
import type { BareRepository } from "../git/bare-repository.ts";
import { transferOf } from "../reporter.ts";
import { atOnce, downloadLfs, findLfs, lfsUrlOf, type LfsServer } from "../upstream/lfs.ts";
import { hostOf, mayAsk, privateHost } from "../upstream/redirect.ts";
import { gitAuthorization } from "../upstream/url-tokens.ts";
import { redactUrl } from "../names/git-url.ts";
import type { Item } from "../names/item.ts";
import { trimEnd } from "../text.ts";
import type { BringTools } from "./artifact.ts";
import { hashFile, openHashes } from "./hash-file.ts";

// Of one repository at once.
const downloads = 4;

export interface LfsOptions {
  /** Where git went, and as whom where a login stood in its URL. */
  readonly reached: () => Promise<{ readonly url: string; readonly authorization: string | undefined }>;
  /** Where its LFS server is by its name, which clients ask: of use where git went by ssh; undefined: it is no host's. */
  readonly own: string | undefined;
  readonly item: Item;
  /** Whether another mirror is asked for all of it. */
  readonly isThrough: boolean;
  readonly environments: GitEnvironments;
  /** Bytes of one object. */
  readonly maxItemSize: number;
  /** The cache folder, where it is kept what was hashed before. */
  readonly cache: Place;
}

/** What came, and what went wrong with the rest. */
export interface BroughtLfs {
  readonly count: number;
  readonly bytes: number;
  /** Whether its LFS server was sent a login. */
  readonly hasLogin: boolean;
  /** The first of them; undefined: all is here. */
  readonly error?: unknown;
}

/** One after the other, as far as they go: what one object lacks is no reason to be without the others. */
export async function bringLfs(
  repository: BareRepository,
  revisions: readonly string[],
  options: LfsOptions,
  tools: BringTools,
): Promise<BroughtLfs> {
  let [count, bytes] = [0, 0];
  const errors: unknown[] = [];
  let hasLogin = false;
  const onLogin = () => {
    hasLogin = true;
  };
  for (const revision of revisions) {
    try {
      const wanted = await listLfsObjects(repository, revision);
      const missing = await lackingOf(repository.place, wanted, options.cache);
      if (missing.length === 0) continue;
      const server = await serverOf(await lfsUrlIn(repository, revision), options, tools);
      for (let from = 0; from < missing.length; from += atOnce) {
        // What they name may be good for some minutes only.
        const brought = await bringObjects(repository.place, missing.slice(from, from + atOnce), server, {
          ...tools,
          onLogin,
        });
        for (const each of brought) {
          if (each.status === "rejected") errors.push(each.reason);
          else [count, bytes] = [count + 1, bytes + each.value];
        }
      }
    } catch (error) {
      errors.push(error);
    }
  }
  return { count, bytes, hasLogin, ...(errors.length === 0 ? {} : { error: errors[0] }) };
}

interface Server extends LfsOptions {
  readonly server: string;
  readonly authorization: string | undefined;
  /** Whether it may hear the user's logins. */
  readonly isTheirs: boolean;
}

/** @param named by the commit, whose hosts may be anybody's @throws MirrorError `refused` */
async function serverOf(
  named: string | undefined,
  options: LfsOptions,
  { hosts, reporter, tokens }: BringTools,
): Promise<Server> {
  const { own, item, isThrough } = options;
  const reached = await options.reached();
  const usual = lfsUrlOf(reached.url) ?? own;
  const isUsual = named === undefined || named === usual || named === own || isThrough;
  if (usual !== undefined && isUsual) {
    // Forges take for LFS what they take for git.
    const [header] = gitAuthorization(usual, tokens).map(([, value]) => value.replace(/^Authorization: /, ""));
    return { ...options, server: usual, authorization: reached.authorization ?? header, isTheirs: true };
  }
  if (named === undefined)
    throw new MirrorError("refused", "it keeps files in Git LFS, which are asked for by http alone");
  const { hostname, origin } = new URL(named);
  if (!(await mayAsk(hostname.toLowerCase(), hosts))) throw privateHost(hostname);
  const here = own === undefined ? "" : `; where they use this mirror, set lfs.url to ${own}`;
  reporter.note(`its .lfsconfig sends clients to ${redactUrl(named)} for its files in Git LFS${here}`, item);
  const isTheirs = usual !== undefined && origin === new URL(usual).origin;
  return { ...options, server: trimEnd(named, "/"), authorization: undefined, isTheirs };
}

/** @returns bytes of each */
async function bringObjects(
  repository: Place,
  missing: readonly LfsObject[],
  { server, authorization, environments, maxItemSize, isTheirs }: Server,
  { onLogin, ...tools }: BringTools & { readonly onLogin: () => void },
): Promise<PromiseSettledResult<number>[]> {
  const transfer = transferOf(tools);
  // It may send to itself, whatever its address: somebody named it.
  const hosts = new Set([...tools.hosts, ...[hostOf(server)].filter((host) => host !== undefined)]);
  const ask = async (as: string | undefined) => {
    if (as !== undefined) onLogin();
    return findLfs(missing, { url: server, authorization: as, isAnonymous: !isTheirs }, { ...tools, transfer });
  };
  const sources = await (authorization === undefined && isTheirs
    ? withLogin(server, environments, tools, ask)
    : ask(authorization));
  const limit = pLimit(downloads);
  const bring = async (source: (typeof sources)[number]) => {
    if (source instanceof MirrorError) throw source;
    const place = lfsPlace(repository, source.object.oid);
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
  return Promise.allSettled(sources.map(async (source) => limit(async () => bring(source))));
}

/** What is not here, or is here and something else. */
async function lackingOf(repository: Place, objects: readonly LfsObject[], cache: Place): Promise<LfsObject[]> {
  if (objects.length === 0) return [];
  const index = await openHashes(cache, `lfs of ${repository.path}`);
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
