/**
 * Brings all that is wanted. Some kinds are bound by round trips, one by git and the disk: they do not wait for each other.
 * All come to their end, whatever happens to one of them, and everything is told by its own name.
 */
import pLimit from "p-limit";
import type { Artifact, Bringing, BringTools, Want, Wanted } from "../artifacts/artifact.ts";
import type { Item } from "../names/item.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Reporter } from "../reporter.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";

export interface BringOptions {
  /** Downloads of one kind at once. */
  readonly concurrency: number;
  /** Told what turned out to be wanted besides, as locks, before it is brought. */
  readonly onFound: (locks: readonly Lock[]) => Promise<void>;
}

/** @throws MirrorError `config` for what a person has to set right: then nothing was fetched */
export async function bringWanted(kinds: Kinds, want: Want, tools: BringTools, options: BringOptions): Promise<void> {
  const runs = await inTurn(kinds, async (kind) => prepare(kind, want, tools, options));
  await Promise.all(runs.map(async (run) => run()));
}

async function prepare<Job>(
  kind: Artifact<Job>,
  want: Want,
  tools: BringTools,
  options: BringOptions,
): Promise<() => Promise<void>> {
  const { reporter } = tools;
  const wanted = await kind.wanted(want);
  const items = itemsOf(kind, wanted.jobs);
  reporter.begin(items.length + wanted.refused.length);
  try {
    const bringing = await kind.bringing(wanted.jobs, tools);
    const running = { bringing, tools, options };
    return async () => tellFailure(kind, tools, async () => bringAll(kind, wanted, running));
  } catch (error) {
    if (error instanceof MirrorError && error.code === "config") throw error;
    return async () => {
      reporter.begin(1 - items.length);
      reporter.failed({ kind: "all", of: kind.name }, error);
    };
  }
}

/** What fails as a whole, such as by a file of ours that is damaged, does not stop the other kinds either. */
async function tellFailure<Job>(
  kind: Artifact<Job>,
  { reporter, signal }: BringTools,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    reporter.begin(1);
    reporter.failed({ kind: "all", of: kind.name }, error);
  }
}

interface Running<Job> {
  readonly bringing: Bringing<Job>;
  readonly tools: BringTools;
  readonly options: BringOptions;
}

async function bringAll<Job>(
  kind: Artifact<Job>,
  wanted: Wanted<Job>,
  { bringing, tools, options }: Running<Job>,
): Promise<void> {
  const { reporter, signal } = tools;
  // The HTTP client holds the number of downloads; while some are waited for, others are given their place.
  const limit = pLimit(Math.max(1, Math.floor((2 * options.concurrency) / kind.weight)));
  try {
    for (let next: Wanted<Job> | undefined = wanted; next !== undefined;) {
      for (const { item, reason } of next.refused) reporter.failed(item, new MirrorError("refused", reason));
      await Promise.all(next.jobs.map(async (job) => limit(async () => bringOne(kind, job, bringing, tools))));
      next = signal.aborted ? undefined : await nextLevel(kind, bringing, reporter, options);
    }
  } finally {
    for (const { item, error } of await bringing.finish()) {
      reporter.begin(1);
      reporter.failed(item, error);
    }
  }
}

async function nextLevel<Job>(
  kind: Artifact<Job>,
  bringing: Bringing<Job>,
  reporter: Reporter,
  { onFound }: BringOptions,
): Promise<Wanted<Job> | undefined> {
  const more = bringing.found?.();
  if (more === undefined) return undefined;
  if (more.locks.length > 0) await onFound(more.locks);
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
