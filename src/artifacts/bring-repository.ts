/** Brings one git repository to upstream's state; one that is damaged is fetched anew, and stays until that is done. */
import type { Place } from "../disk/place.ts";
import { recordAccess } from "../git/access.ts";
import { askedUrl, leadsTo, reachedUrl } from "../git/asked-url.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { packDamage } from "../git/check-packs.ts";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository } from "../git/inspect.ts";
import { mirrorRepository, type RepositoryOutcome } from "../git/mirror-repository.ts";
import { refsWanted, type RefsPolicy } from "../plan/refs.ts";
import type { GitJob } from "../plan/repositories.ts";
import type { StorePaths } from "../store/paths.ts";
import { quarantine } from "../store/quarantine.ts";
import type { BringTools } from "./artifact.ts";
import { bringLfs } from "./bring-lfs.ts";
import type { Land } from "./land-file.ts";
import { hasClientCertificate } from "../git/logins.ts";
import { countReceived } from "../git/progress-bytes.ts";
import { gitConfigVariables } from "../git/config-variables.ts";
import { fromAny, type FromOne } from "../upstream/git.ts";
import { gitUrlThrough } from "../upstream/through.ts";
import { lfsUrlOf } from "../upstream/lfs.ts";
import { gitAuthorization } from "../upstream/url-tokens.ts";
import type { Item } from "../names/item.ts";

export interface FetchPolicy extends RefsPolicy {
  /** Whether what commits point to in Git LFS comes too. */
  readonly lfs: boolean;
  /** Names and ports under which this very mirror may answer, which is never asked. */
  readonly ownNames: readonly string[];
  readonly ownPorts: readonly number[];
  /** Another mirror that is asked instead; undefined: the hosts themselves. */
  readonly upstream: string | undefined;
  /** Bytes of one file in Git LFS. */
  readonly maxItemSize: number;
}

interface Target {
  readonly item: Item;
  readonly place: Place;
  /** With all that is demanded of the repository. */
  readonly job: GitJob;
}

/**
 * @returns what became of it, how many bytes came for it, as git tells, and what went wrong with its files in Git LFS
 * @throws MirrorError
 */
export async function bringRepository(
  paths: StorePaths,
  { item, place, job }: Target,
  { lfs, ownNames, ownPorts, upstream, maxItemSize, ...refsPolicy }: FetchPolicy,
  tools: BringTools & { readonly environments: GitEnvironments },
): Promise<{ outcome: RepositoryOutcome; bytes: number; lfsError: unknown }> {
  const { environments, reporter, signal } = tools;
  const note = (text: string) => reporter.note(text, item);
  const revisions = [...new Set(job.entries.map(({ revision }) => revision))];
  const refs = refsWanted(job.entries, refsPolicy);
  const damage = await damageOf(place, environments, signal);
  const received = countReceived(reporter.received);
  const onProgress = (line: string) => {
    received.read(line);
    reporter.progress(item, line);
  };
  const isSelf = leadsTo(ownNames, ownPorts);
  let from = "";
  let [isHttp, hasLogin] = [false, false];
  const fromOne: FromOne<RepositoryOutcome> = async (url, ask) => {
    from = url;
    const asked = await askedUrl(environments.upstream(), url, isSelf);
    const local = isLocal(job) ? environments.trusting(localPath(url)) : {};
    const settings = { ...environments.upstream().env, ...asked.variables };
    const login = gitConfigVariables(settings, gitAuthorization(url, tools.tokens));
    const extra = { ...asked.variables, ...login, ...local };
    const onAnswer = () => void (isHttp = true);
    const onLogin = () => void (hasLogin = true);
    const running = { environments, extra, signal, ask, note, onProgress, onAnswer, onLogin };
    const mirrorAt = (target: Place) => mirrorRepository({ url: asked.url, place: target, revisions, refs }, running);
    return damage === undefined ? mirrorAt(place) : replace(paths, place, { damage, mirrorAt, note, land: tools.land });
  };
  const through = isLocal(job) ? undefined : gitUrlThrough(upstream, job);
  const outcome = await fromAny(through === undefined ? job.urls : [through], tools, { fromOne, note });
  const repository = BareRepository.open(place, { environments, signal });
  // What was seen to come by HTTP to nobody in particular; of ssh, paths and another mirror it cannot be known.
  const isAnyones =
    isHttp && !hasLogin && through === undefined && !(await hasClientCertificate(environments.upstream(), from));
  await recordAccess(place, "git", isAnyones ? "anyone" : "login");
  if (!lfs) return { outcome, bytes: received.bytes(), lfsError: undefined };
  const objects = await bringLfs(
    repository,
    revisions,
    {
      reached: async () => reachedUrl(environments.upstream(), from, isSelf),
      own: isLocal(job) ? undefined : lfsUrlOf(`https://${job.host}/${job.path}`),
      item,
      isThrough: through !== undefined,
      environments,
      maxItemSize,
      cache: paths.cache,
    },
    tools,
  );
  if (objects.hasLogin) await recordAccess(place, "lfs", "login");
  const isMore = outcome === "unchanged" && objects.count > 0;
  return {
    outcome: isMore ? "updated" : outcome,
    bytes: received.bytes() + objects.bytes,
    lfsError: objects.error,
  };
}

/** @returns what is wrong with the repository that is here, if one is and it can be fetched anew */
async function damageOf(place: Place, { features }: GitEnvironments, signal: AbortSignal): Promise<string | undefined> {
  const names = (await place.parent?.allEntries()) ?? [];
  if (!names.some(({ name }) => name === place.name)) return undefined;
  // What git dropped is put back first; what is in the way of that is damage.
  if (place.isFolder()) await keepEmptyFolders(place);
  const inspection = inspectRepository(place, features);
  if (inspection.state === "damaged") return inspection.reason;
  return inspection.state === "plain" ? packDamage(place, signal) : undefined;
}

interface Replacement {
  readonly damage: string;
  /** Makes the repository in a folder that is not there yet. */
  readonly mirrorAt: (target: Place) => Promise<RepositoryOutcome>;
  readonly note: (text: string) => void;
  readonly land: Land;
}

/** Only when all of it has arrived: until then, what is here may still be of use, and hold what upstream has lost. */
async function replace(
  paths: StorePaths,
  place: Place,
  { damage, mirrorAt, note, land }: Replacement,
): Promise<RepositoryOutcome> {
  const fresh = place.temporary();
  try {
    const outcome = await mirrorAt(fresh);
    const aside = await land(async () => {
      const path = await quarantine(paths, place);
      await fresh.moveTo(place);
      return path;
    });
    note(`is fetched anew, since ${damage}; what was here lies in ${aside} now`);
    return outcome;
  } catch (error) {
    note(`stays as it is until it can be fetched anew, although ${damage}`);
    throw error;
  } finally {
    await fresh.remove();
  }
}

/** A path on this machine, which a lock may name only where that was allowed. */
function isLocal({ host, urls: [url] }: Pick<GitJob, "host" | "urls">): boolean {
  return host === "localhost" && !/^(?:https?|ssh|git):/i.test(url);
}

function localPath(url: string): string {
  return url.replace(/^file:\/\//i, "");
}
