/**
 * Every git repository that the locks name, and every one that those have as submodules, level by level: a submodule's
 * URL and commit are known only once its parent is here.
 */
import pLimit from "p-limit";
import type { HttpClient } from "../fetch/http.ts";
import { parseGitUrl } from "../git/url.ts";
import type { Place } from "../disk/place.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { packDamage } from "../git/check-packs.ts";
import { listLfsFiles, listSubmodules } from "../git/contents.ts";
import { keepEmptyFolders } from "../git/empty-folders.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository } from "../git/inspect.ts";
import { mirrorRepository, type RepositoryOutcome } from "../git/mirror-repository.ts";
import { askedUrl, leadsTo } from "../git/asked-url.ts";
import type { GitEntry, Lock } from "../lock/entries.ts";
import { makePlan, type GitJob } from "../plan/plan.ts";
import { refsWanted } from "../plan/refs.ts";
import type { StorePaths } from "../store/paths.ts";
import { quarantine } from "../store/quarantine.ts";
import { findRepository } from "../store/repositories.ts";
import type { Context } from "./context.ts";
import { mayAsk, privateHost } from "../fetch/redirect.ts";
import { fromAny, trustedHosts, type GitUpstreams } from "./git-upstreams.ts";

/** By lock, the repositories that it needs without naming them. */
export type Submodules = Map<string, GitEntry[]>;

// Deeper than any real project; a repository may have itself as a submodule.
const maxLevels = 16;

export interface RepositoryTools {
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  readonly http: HttpClient;
}

/** @param known every lock that the mirror knows, those being synced included: their commits stay */
export async function syncRepositories(
  context: Context,
  jobs: readonly GitJob[],
  known: readonly Lock[],
  { gitEnvironments, http }: RepositoryTools,
): Promise<Submodules> {
  const submodules: Submodules = new Map();
  if (jobs.length === 0) return submodules;
  const { paths, config, reporter, signal } = context;
  let environments: GitEnvironments;
  try {
    environments = await gitEnvironments();
  } catch (error) {
    for (const { host, path } of jobs) reporter.failed(`https://${host}/${path}`, error);
    return submodules;
  }
  const upstreams: GitUpstreams = { environments, http, hosts: trustedHosts(config, jobs) };
  const demands = new Map(makePlan(known, config).repositories.map((job) => [keyOf(job), job.entries] as const));
  // Git is several processes a repository, and unpacking needs processors: fewer at once than downloads.
  const limit = pLimit(Math.max(1, Math.floor(config.concurrency / 2)));
  const done = new Set<string>();
  let level: readonly GitJob[] = jobs;
  for (let depth = 0; level.length > 0 && depth < maxLevels && !signal.aborted; depth++) {
    // Between two levels nobody is at work: what a killed sync left half made can go.
    for (const { host, path } of level) {
      // One whose way is barred is told by its own name.
      await paths
        .repository(host, path)
        .parent?.removeLeftovers()
        .catch(() => undefined);
    }
    const found = await Promise.all(
      level.map((job) => limit(() => syncRepository(context, withDemands(job, demands), upstreams))),
    );
    for (const job of level) for (const entry of job.entries) done.add(demandOf(job, entry));
    const plan = makePlan(await admitted(found.flat(), upstreams.hosts, reporter, submodules), config);
    for (const { app, reason } of plan.refused) reporter.failed(app, reason);
    level = plan.repositories.filter((job) => job.entries.some((entry) => !done.has(demandOf(job, entry))));
    reporter.begin(level.length);
  }
  return submodules;
}

/** @param submodules takes those that may be asked for @returns them, as locks */
async function admitted(
  found: readonly Submodule[],
  hosts: ReadonlySet<string>,
  reporter: Context["reporter"],
  submodules: Submodules,
): Promise<Lock[]> {
  const locks: Lock[] = [];
  for (const { lock, entry, parent } of found) {
    const host = gitHostOf(entry.url);
    if (host !== undefined && !(await mayAsk(host, new Set([...hosts, parent])))) {
      reporter.begin(1);
      reporter.failed(entry.app, privateHost(host));
      continue;
    }
    submodules.set(lock, [...(submodules.get(lock) ?? []), entry]);
    locks.push({ name: lock, entries: [entry] });
  }
  return locks;
}

/** undefined for what the plan refuses by itself. */
function gitHostOf(url: string): string | undefined {
  try {
    return parseGitUrl(url, true).host;
  } catch {
    return undefined;
  }
}

/** A refresh for one lock must not lose what another needs: all that is demanded of the repository counts. */
function withDemands(job: GitJob, demands: ReadonlyMap<string, GitJob["entries"]>): GitJob {
  const all = [...job.entries, ...(demands.get(keyOf(job)) ?? [])];
  return { ...job, entries: [...new Map(all.map((entry) => [JSON.stringify(entry), entry])).values()] };
}

async function syncRepository(context: Context, job: GitJob, upstreams: GitUpstreams): Promise<Submodule[]> {
  const { paths, config, reporter, signal } = context;
  if (signal.aborted) return [];
  const { environments } = upstreams;
  const item = `https://${job.host}/${job.path}`;
  const note = (text: string) => reporter.note(`${item} ${text}`);
  const revisions = [...new Set(job.entries.map(({ revision }) => revision))];
  const ports = [config.port, ...(config.tlsPort === undefined ? [] : [config.tlsPort])];
  const isSelf = leadsTo(["app_deps", ...config.name], ports);
  try {
    const place = (await heldAt(paths, job)) ?? paths.repository(job.host, job.path);
    const refs = refsWanted(job.entries, { refs: config.gitRefs, shallow: config.gitShallow });
    const damage = await damageOf(place, environments, signal);
    const fromOne = async (url: string) => {
      const asked = await askedUrl(environments.upstream(), url, isSelf);
      const local = isLocal(job) ? environments.trusting(localPath(url)) : {};
      const extra = { ...asked.variables, ...local };
      const tools = { environments, extra, signal, onProgress: (line: string) => reporter.progress(item, line) };
      const mirrorAt = (target: Place) => mirrorRepository({ url: asked.url, place: target, revisions, refs }, tools);
      return damage === undefined ? mirrorAt(place) : replace(paths, place, { damage, mirrorAt, note });
    };
    const outcome = await fromAny(job, upstreams, { fromOne, note });
    reporter.done(item, outcome, 0);
    const repository = BareRepository.open(place, { environments, signal });
    for (const revision of outcome === "unchanged" ? [] : revisions) {
      const files = await listLfsFiles(repository, revision);
      if (files.length > 0) reporter.note(lfsWarning(item, files));
    }
    return await submodulesOf(job, repository);
  } catch (error) {
    reporter.failed(item, error);
    return [];
  }
}

/** Where the repository of a job lies, whatever stands there; undefined when nothing does. */
export async function heldAt(paths: StorePaths, { host, path }: Pick<GitJob, "host" | "path">) {
  const found = await findRepository(paths, host, path);
  if (found !== undefined) return found;
  const place = paths.repository(host, path);
  // A link or a file in a repository's place is a damaged repository.
  const names = (await place.parent?.allEntries()) ?? [];
  return names.some(({ name }) => name === place.name) ? place : undefined;
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
}

/** Only when all of it has arrived: until then, what is here may still be of use, and hold what upstream has lost. */
async function replace(
  paths: StorePaths,
  place: Place,
  { damage, mirrorAt, note }: Replacement,
): Promise<RepositoryOutcome> {
  const fresh = place.temporary();
  try {
    const outcome = await mirrorAt(fresh);
    const aside = await quarantine(paths, place);
    await fresh.moveTo(place);
    note(`is fetched anew, since ${damage}; what was here lies in ${aside} now`);
    return outcome;
  } catch (error) {
    note(`stays as it is until it can be fetched anew, although ${damage}`);
    throw error;
  } finally {
    await fresh.remove();
  }
}

export interface Submodule {
  readonly lock: string;
  readonly entry: GitEntry;
  /** The host of the repository that has it. */
  readonly parent: string;
}

/** What the entries with `submodules: true` need besides; recursively, as Mix fetches them. */
export async function submodulesOf(job: GitJob, repository: BareRepository): Promise<Submodule[]> {
  const found: Submodule[] = [];
  for (const { lock, revision, options } of job.entries) {
    if (options.submodules !== true) continue;
    for (const submodule of await listSubmodules(repository, revision, job.urls[0])) {
      const app = `${job.path}:${submodule.path}`;
      const { url, revision: commit } = submodule;
      found.push({
        lock,
        parent: job.host,
        entry: { kind: "git", app, url, revision: commit, options: { ref: commit, submodules: true } },
      });
    }
  }
  return found;
}

/** What an entry asks of a repository: a commit, and whether with what that has as submodules. */
export function demandOf(
  { host, path }: Pick<GitJob, "host" | "path">,
  { revision, options }: GitJob["entries"][number],
) {
  return `${host}/${path} ${revision} ${options.submodules === true}`.toLowerCase();
}

/** A path on this machine, which a lock may name only where that was allowed. */
function isLocal({ host, urls: [url] }: Pick<GitJob, "host" | "urls">): boolean {
  return host === "localhost" && !/^(?:https?|ssh|git):/i.test(url);
}

function localPath(url: string): string {
  return url.replace(/^file:\/\//i, "");
}

function lfsWarning(item: string, files: readonly string[]): string {
  const shown = files.slice(0, 5).join(", ");
  const more = files.length > 5 ? `, and ${files.length - 5} more` : "";
  return `warning: ${item} keeps ${files.length} file(s) in Git LFS, which is not mirrored: ${shown}${more}`;
}

function keyOf({ host, path }: GitJob): string {
  return `${host}/${path}`.toLowerCase();
}
