/**
 * The git repositories that locks name, and those that these have as submodules. What the next level of these is, only the
 * commits tell that are here.
 */
import { BareRepository } from "../git/bare-repository.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository, isRepository } from "../git/inspect.ts";
import { isLfsHeld, listLfsObjects } from "../git/lfs.ts";
import { unreachable } from "../git/pins.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { takeWritersLock } from "../disk/writers-lock.ts";
import { repositoryJobs, repositoryKey, type GitJob, type GitPolicy } from "../plan/repositories.ts";
import { listRepositories } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import { findRepository } from "../store/repositories.ts";
import type { Artifact, Bringing, BringTools, Held, Want, Wanted } from "./artifact.ts";
import { bringRepository, type FetchPolicy } from "./bring-repository.ts";
import { checkRepository } from "./check-repository.ts";
import { idOf, type Item } from "../names/item.ts";
import type { Reporter } from "../reporter.ts";
import { asOnlyOne } from "./only-one.ts";
import { removeAll } from "./remove.ts";
import { mayAsk, privateHost } from "../upstream/redirect.ts";
import { createSubmodules, heldSubmodules, submodulesOf } from "./submodules.ts";

export interface RepositoryTools {
  readonly policy: GitPolicy;
  readonly fetching: FetchPolicy;
  /** Made on first use: a lock without git entries needs no git. */
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  readonly signal: AbortSignal;
}

export function createRepositories(
  paths: StorePaths,
  { policy, fetching, gitEnvironments, signal }: RepositoryTools,
): Artifact<GitJob> {
  return {
    name: "repositories",
    weight: 8,
    wanted: async (want) => wantedJobs(paths, want, { policy, gitEnvironments, signal }),
    items: (job) => [
      {
        item: itemOf(job),
        keys: [repositoryKey(job)],
        locks: [...new Set(job.entries.map(({ lock }) => lock))].sort(),
      },
    ],
    has: async (job) => {
      const place = await findRepository(paths, job.host, job.path);
      return [{ item: itemOf(job), isHeld: place !== undefined && isRepository(place) }];
    },
    lacks: async (job) => {
      const place = await findRepository(paths, job.host, job.path);
      if (place === undefined) return [itemOf(job)];
      const environments = await gitEnvironments();
      if (inspectRepository(place, environments.features).state !== "plain") return [itemOf(job)];
      const revisions = [...new Set(job.entries.map(({ revision }) => revision))];
      const repository = BareRepository.open(place, { environments, signal });
      const missing = await unreachable(repository, revisions);
      const held = fetching.lfs ? revisions.filter((revision) => !missing.has(revision)) : [];
      const lost = await lostLfs(repository, held);
      return [
        ...[...missing].map((revision) => ({ ...itemOf(job), revision })),
        ...lost.map((oid) => lfsItem(job, oid)),
      ];
    },
    bringing: async (jobs, tools) => openBringing(paths, { policy, fetching }, jobs, tools),
    check: async function* (job) {
      yield* checkRepository(await heldAt(paths, job), job, {
        environments: await gitEnvironments(),
        lfs: fetching.lfs,
        signal,
      });
    },
    list: async () =>
      (await listRepositories(paths)).map(({ host, path, place }) => ({
        item: itemOf({ host, path }),
        key: repositoryKey({ host, path }),
        places: [place],
        // A folder may be called so and be somebody's own.
        ...(isRepository(place) ? {} : { spared: `${place.path} is no bare repository` }),
      })),
    damageOf: async ({ places: [place] }) =>
      place === undefined ? undefined : damageOf(place, await gitEnvironments(), signal),
    guard: async (held) => guard(paths, held),
    remove: async (held) => {
      const busy: string[] = [];
      for (const each of held) {
        const release = await guard(paths, each);
        if (release === undefined) {
          busy.push(each.key);
          continue;
        }
        try {
          await removeAll([each], [paths.git]);
        } finally {
          await release();
        }
      }
      if (busy.length > 0) {
        throw new MirrorError("busy", `${busy.join(", ")}: another process works on it; try again when that is done`);
      }
    },
  };
}

/** Not waited for: who works on a repository may be waiting for the writers' lock. */
async function guard(paths: StorePaths, { item }: Held): Promise<(() => Promise<void>) | undefined> {
  if (item.kind !== "git") return undefined;
  try {
    const lock = await takeWritersLock(paths.repositoryLock(item.host, item.path), {});
    return lock.release;
  } catch (error) {
    if (error instanceof MirrorError && error.code === "busy") return undefined;
    throw error;
  }
}

function itemOf({ host, path }: Pick<GitJob, "host" | "path">): Extract<Item, { kind: "git" }> {
  return { kind: "git", host, path };
}

function lfsItem({ host, path }: Pick<GitJob, "host" | "path">, oid: string): Item {
  return { kind: "lfs", host, path, oid };
}

/** What commits point to by Git LFS and is not here, by its id. */
async function lostLfs(repository: BareRepository, revisions: readonly string[]): Promise<string[]> {
  const lost = new Set<string>();
  for (const revision of revisions) {
    for (const object of await listLfsObjects(repository, revision)) {
      if (!isLfsHeld(repository.place, object)) lost.add(object.oid);
    }
  }
  return [...lost];
}

async function wantedJobs(
  paths: StorePaths,
  { locks, withSubmodules = false }: Want,
  { policy, gitEnvironments, signal }: Omit<RepositoryTools, "fetching">,
): Promise<Wanted<GitJob>> {
  const named = repositoryJobs(locks, policy);
  const hasSubmodules = named.jobs.some(({ entries }) => entries.some(({ options }) => options.submodules === true));
  if (!withSubmodules || !hasSubmodules) return withItems(named);
  const environments = await gitEnvironments();
  const open = async (job: GitJob) => {
    const place = await heldAt(paths, job);
    const isPlain = place !== undefined && inspectRepository(place, environments.features).state === "plain";
    return isPlain ? BareRepository.open(place, { environments, signal }) : undefined;
  };
  return withItems(repositoryJobs([...locks, ...(await heldSubmodules(named.jobs, open, policy))], policy));
}

function withItems({ jobs, refused }: ReturnType<typeof repositoryJobs>): Wanted<GitJob> {
  return {
    jobs,
    refused: refused.map(({ lock, app, reason }) => ({ item: { kind: "entry", app }, lock, app, reason })),
  };
}

async function openBringing(
  paths: StorePaths,
  { policy, fetching }: Pick<RepositoryTools, "policy" | "fetching">,
  jobs: readonly GitJob[],
  tools: BringTools,
): Promise<Bringing<GitJob>> {
  if (jobs.length === 0) return { bring: () => nothing(), finish: async () => [] };
  const environments = await tools.gitEnvironments();
  const submodules = createSubmodules(tools.hosts, policy);
  const reporter = onceEach(tools.reporter);
  return {
    bring: async function* (job) {
      const item = itemOf(job);
      submodules.begin(job);
      try {
        if (fetching.upstream === undefined && policy.allowLocalGit !== true) await requireNamed(job, tools);
        const { outcome, bytes, lfsError, repository, wanted } = await asOnlyOne(paths, job, tools, async (signal) => {
          const wanted = withDemands(job, repositoryJobs(await tools.known(), policy).jobs);
          const place = (await heldAt(paths, job)) ?? paths.repository(job.host, job.path);
          // One whose way is barred is told by its own name.
          await place.parent?.removeLeftovers().catch(() => undefined);
          const running = { ...tools, reporter, environments, signal };
          const brought = await bringRepository(paths, { item, place, job: wanted }, fetching, running);
          return { ...brought, wanted, repository: BareRepository.open(place, { environments, signal }) };
        });
        yield lfsError === undefined ? { item, outcome, bytes } : { item, error: lfsError };
        yield* submodules.add(job, await submodulesOf(wanted, repository), tools.reporter);
      } catch (error) {
        yield { item, error };
      }
    },
    found: () => {
      const { locks, named } = submodules.take();
      return { locks, wanted: withItems(named) };
    },
    finish: async () => [],
  };
}

/** @throws MirrorError `refused` for a host of this network that nobody named who may */
async function requireNamed({ host }: GitJob, { hosts }: BringTools): Promise<void> {
  if (!(await mayAsk(host, hosts))) throw privateHost(host);
}

/** What is said of a repository is said once, however many rounds it takes. */
function onceEach(reporter: Reporter): Reporter {
  const said = new Set<string>();
  const isNew = (text: string, item: Item | undefined) => {
    const id = `${item === undefined ? "" : idOf(item)} ${text}`;
    const size = said.size;
    return said.add(id).size > size;
  };
  return {
    begin: (count) => reporter.begin(count),
    done: (brought) => reporter.done(brought),
    failed: (item, error) => reporter.failed(item, error),
    received: (bytes) => reporter.received(bytes),
    asked: (host, isAnswered) => reporter.asked(host, isAnswered),
    progress: (item, text) => reporter.progress(item, text),
    note: (text, item) => {
      if (isNew(text, item)) reporter.note(text, item);
    },
    warn: (text, item) => {
      if (isNew(text, item)) reporter.warn(text, item);
    },
  };
}

async function* nothing() {
  // There is no job.
}

/** A refresh for one lock must not lose what another needs: all that is demanded of the repository counts. */
function withDemands(job: GitJob, known: readonly GitJob[]): GitJob {
  const same = known.filter((each) => repositoryKey(each) === repositoryKey(job));
  const all = [...job.entries, ...same.flatMap(({ entries }) => entries)];
  return { ...job, entries: [...new Map(all.map((entry) => [JSON.stringify(entry), entry])).values()] };
}

/** Where the repository of a job lies, whatever stands there; undefined when nothing does. */
async function heldAt(paths: StorePaths, { host, path }: Pick<GitJob, "host" | "path">): Promise<Place | undefined> {
  const found = await findRepository(paths, host, path);
  if (found !== undefined) return found;
  const place = paths.repository(host, path);
  // A link or a file in a repository's place is a damaged repository.
  const names = (await place.parent?.allEntries()) ?? [];
  return names.some(({ name }) => name === place.name) ? place : undefined;
}

async function damageOf(place: Place, environments: GitEnvironments, signal: AbortSignal): Promise<string | undefined> {
  const inspection = inspectRepository(place, environments.features);
  // With a newer git it will be read.
  if (inspection.state === "unsupported") return undefined;
  if (inspection.state !== "plain") return inspection.reason;
  const repository = BareRepository.open(place, { environments, signal });
  const { code, stderr, stdout } = await repository.try(["fsck", "--full", "--no-dangling", "--no-progress"]);
  const first = `${stderr}\n${stdout.toString("utf8")}`.split("\n").find(tellsOfDamage);
  return code !== 0 && first !== undefined ? `git fsck: ${first}` : undefined;
}

/** Genuine history is full of oddities (`error in commit …: badTimezone: …`), which upstream has as well. */
function tellsOfDamage(line: string): boolean {
  return (
    line.trim() !== "" && !/^(?:error|warning) in \w+ [0-9a-f]+: \w+:/.test(line) && !/^(?:notice|warning):/.test(line)
  );
}
