/**
 * Brings all that is wanted. Some kinds are bound by round trips, one by git and the disk: they do not wait for each other.
 * All come to their end, whatever happens to one of them, and everything is told by its own name.
 */
import pLimit from "p-limit";
import type { Artifact, Bringing, BringTools, Want, Wanted } from "../artifacts/artifact.ts";
import type { Item } from "../artifacts/item.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Reporter } from "../artifacts/reporter.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";

/**
 * @param concurrency downloads of one kind at once
 * @returns what turned out to be wanted besides, as locks
 * @throws MirrorError `config` for what a person has to set right: then nothing was fetched
 */
export async function bringWanted(
  kinds: Kinds,
  want: Want,
  tools: BringTools,
  concurrency: number,
): Promise<readonly Lock[]> {
  const runs = await inTurn(kinds, async (kind) => prepare(kind, want, tools, concurrency));
  return (await Promise.all(runs.map(async (run) => run()))).flat();
}

async function prepare<Job>(
  kind: Artifact<Job>,
  want: Want,
  tools: BringTools,
  concurrency: number,
): Promise<() => Promise<Lock[]>> {
  const { reporter } = tools;
  const wanted = await kind.wanted(want);
  const items = itemsOf(kind, wanted.jobs);
  reporter.begin(items.length + wanted.refused.length);
  try {
    const bringing = await kind.bringing(wanted.jobs, tools);
    return async () => {
      const found: Lock[] = [];
      await tellFailure(kind, reporter, async () => bringAll(kind, wanted, { bringing, found, tools, concurrency }));
      return found;
    };
  } catch (error) {
    if (error instanceof MirrorError && error.code === "config") throw error;
    return async () => {
      reporter.begin(1 - items.length);
      reporter.failed({ kind: "all", of: kind.name }, error);
      return [];
    };
  }
}

/** What fails as a whole, such as by a file of ours that is damaged, does not stop the other kinds either. */
async function tellFailure<Job>(kind: Artifact<Job>, reporter: Reporter, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    reporter.begin(1);
    reporter.failed({ kind: "all", of: kind.name }, error);
  }
}

interface Running<Job> {
  readonly bringing: Bringing<Job>;
  /** Takes what turns out to be wanted besides. */
  readonly found: Lock[];
  readonly tools: BringTools;
  readonly concurrency: number;
}

async function bringAll<Job>(
  kind: Artifact<Job>,
  wanted: Wanted<Job>,
  { bringing, found, tools, concurrency }: Running<Job>,
): Promise<void> {
  const { reporter, signal } = tools;
  const limit = pLimit(Math.max(1, Math.floor(concurrency / kind.weight)));
  try {
    for (let next: Wanted<Job> | undefined = wanted; next !== undefined;) {
      for (const { item, reason } of next.refused) reporter.failed(item, new MirrorError("refused", reason));
      await Promise.all(next.jobs.map(async (job) => limit(async () => bringOne(kind, job, bringing, tools))));
      next = signal.aborted ? undefined : nextLevel(kind, bringing, { found, reporter });
    }
  } finally {
    for (const { item, error } of await bringing.finish()) {
      reporter.begin(1);
      reporter.failed(item, error);
    }
  }
}

function nextLevel<Job>(
  kind: Artifact<Job>,
  bringing: Bringing<Job>,
  { found, reporter }: { readonly found: Lock[]; readonly reporter: Reporter },
): Wanted<Job> | undefined {
  const more = bringing.found?.();
  if (more === undefined) return undefined;
  found.push(...more.locks);
  const { jobs, refused } = more.wanted;
  reporter.begin(itemsOf(kind, jobs).length + refused.length);
  return jobs.length + refused.length === 0 ? undefined : more.wanted;
}

async function bringOne<Job>(
  kind: Artifact<Job>,
  job: Job,
  bringing: Bringing<Job>,
  { reporter, signal }: BringTools,
): Promise<void> {
  if (signal.aborted) return;
  try {
    for await (const outcome of bringing.bring(job)) {
      if ("error" in outcome) reporter.failed(outcome.item, outcome.error);
      else reporter.done(outcome);
    }
  } catch (error) {
    for (const item of itemsOf(kind, [job])) reporter.failed(item, error);
  }
}

function itemsOf<Job>(kind: Artifact<Job>, jobs: readonly Job[]): Item[] {
  return jobs.flatMap((job) => kind.items(job).map(({ item }) => item));
}
