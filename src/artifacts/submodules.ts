/**
 * What git repositories need besides: their submodules at the commits that locks name, recursively, as Mix fetches them.
 * Each level is known only once the one above is here.
 */
import { MirrorError } from "../errors.ts";
import { mayAsk, privateHost } from "../upstream/redirect.ts";
import type { BareRepository } from "../git/bare-repository.ts";
import { listSubmodules } from "../git/contents.ts";
import { parseGitUrl } from "../names/git-url.ts";
import type { GitEntry, Lock } from "../lock/entries.ts";
import { repositoryJobs, repositoryKey, type GitJob, type GitPolicy } from "../plan/repositories.ts";

import type { Reporter, Failed } from "../reporter.ts";

// Deeper than any real project; a repository may have itself as a submodule.
const maxLevels = 16;

export interface Submodule {
  readonly lock: string;
  readonly entry: GitEntry;
}

/** Of the entries that ask for them. */
export async function submodulesOf(job: GitJob, repository: BareRepository): Promise<Submodule[]> {
  const found: Submodule[] = [];
  for (const { lock, revision, options } of job.entries) {
    if (options.submodules !== true) continue;
    for (const { path, url, revision: commit } of await listSubmodules(repository, revision, job.urls[0])) {
      const app = `${job.path}:${path}`;
      const entry: GitEntry = { kind: "git", app, url, revision: commit, options: { ref: commit, submodules: true } };
      found.push({ lock, entry });
    }
  }
  return found;
}

/** As far as they are known from what is here. @param open undefined for what is not here, or cannot be read */
export async function heldSubmodules(
  jobs: readonly GitJob[],
  open: (job: GitJob) => Promise<BareRepository | undefined>,
  policy: GitPolicy,
): Promise<Lock[]> {
  const seen = new Set<string>();
  const found: Lock[] = [];
  let level = jobs;
  for (let depth = 0; level.length > 0 && depth < maxLevels; depth++) {
    const next: Submodule[] = [];
    for (const job of level) {
      const entries = job.entries.filter((entry) => !seen.has(demandOf(job, entry)));
      for (const entry of entries) seen.add(demandOf(job, entry));
      const repository = entries.some(({ options }) => options.submodules === true) ? await open(job) : undefined;
      if (repository !== undefined) next.push(...(await submodulesOf({ ...job, entries }, repository)));
    }
    const locks = next.map(asLock);
    found.push(...locks);
    level = repositoryJobs(locks, policy).jobs;
  }
  return found;
}

export interface Submodules {
  /** What is being brought. */
  readonly begin: (job: GitJob) => void;
  /** What a repository turned out to need. @returns those that may not be asked for */
  readonly add: (parent: GitJob, found: readonly Submodule[], reporter: Reporter) => AsyncIterable<Failed>;
  /** What came since this was last asked: all of it, as locks, and what of it is not under way yet. */
  readonly take: () => { readonly locks: readonly Lock[]; readonly named: ReturnType<typeof repositoryJobs> };
}

/** @param hosts that somebody named, and that may be asked whatever their address */
export function createSubmodules(hosts: ReadonlySet<string>, policy: GitPolicy): Submodules {
  const begun = new Set<string>();
  let found: Lock[] = [];
  let levels = 0;
  return {
    begin: (job) => {
      for (const entry of job.entries) begun.add(demandOf(job, entry));
    },
    add: async function* (parent, submodules, reporter) {
      for (const submodule of submodules) {
        const { app, url } = submodule.entry;
        const host = hostOf(url);
        if (host === undefined || (await mayAsk(host, new Set([...hosts, parent.host])))) found.push(asLock(submodule));
        else {
          reporter.begin(1);
          yield { item: { kind: "entry", app }, error: privateHost(host) };
        }
      }
    },
    take: () => {
      const locks = found;
      found = [];
      if (locks.length > 0) levels += 1;
      const { jobs, refused } = repositoryJobs(levels < maxLevels ? locks : [], policy);
      const isNew = (job: GitJob) => job.entries.some((entry) => !begun.has(demandOf(job, entry)));
      return { locks, named: { jobs: jobs.filter(isNew), refused } };
    },
  };
}

/** What an entry asks of a repository: a commit, and whether with what that has as submodules. */
function demandOf(job: GitJob, { revision, options }: GitJob["entries"][number]): string {
  return `${repositoryKey(job)} ${revision} ${options.submodules === true}`;
}

function asLock({ lock, entry }: Submodule): Lock {
  return { name: lock, entries: [entry] };
}

/** undefined for what the plan refuses by itself. */
function hostOf(url: string): string | undefined {
  try {
    return parseGitUrl(url, true).host;
  } catch (error) {
    if (error instanceof MirrorError) return undefined;
    throw error;
  }
}
