/**
 * Brings all that is wanted. Some kinds are bound by round trips, one by git and the disk: they do not wait for each other.
 * All come to their end, whatever happens to one of them, and everything is told by its own name. What failed in a way that
 * passes is asked for again when the rest has come, in further rounds, before anybody is told that it failed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import type { Artifact, Bringing, BringTools, Want, Wanted } from "../artifacts/artifact.ts";
import { idOf, type Item } from "../names/item.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Failed } from "../reporter.ts";
import { MirrorError } from "../errors.ts";
import type { Lock } from "../lock/entries.ts";

export interface BringOptions {
  /** Downloads of one kind at once. */
  readonly concurrency: number;
  /** Told what turned out to be wanted besides, as locks, before it is brought. */
  readonly onFound: (locks: readonly Lock[]) => Promise<void>;
  /** Whether what is here is not asked for again. */
  readonly isOnlyMissing?: boolean;
}

// So many rounds in a row that bring nothing are enough: more where the line has proved to be what is bad.
const fewFruitless = 1;
const maxFruitless = 3;
const maxRounds = 8;
// Before the second round; doubled with each.
const pauseMilliseconds = 500;
const longestPauseMilliseconds = 5000;

/** @throws MirrorError `config` for what a person has to set right: then nothing was fetched */
export async function bringWanted(kinds: Kinds, want: Want, tools: BringTools, options: BringOptions): Promise<void> {
  for (const isReadFromOthers of [false, true]) {
    const runs = await inTurn(kinds, async (kind) =>
      (kind.isReadFromOthers ?? false) === isReadFromOthers ? prepare(kind, want, tools, options) : undefined,
    );
    await bringRuns(
      runs.filter((run) => run !== undefined),
      tools,
    );
  }
}

async function bringRuns(runs: readonly Run[], tools: BringTools): Promise<void> {
  try {
    await Promise.all(runs.map(async (run) => run.bring()));
    await bringTheRest(runs, tools);
  } finally {
    await Promise.all(runs.map(async (run) => run.end()));
  }
}

async function bringTheRest(runs: readonly Run[], { patience, signal }: BringTools): Promise<void> {
  let fruitless = 0;
  const mayFail = () => (patience.hasRecovered() ? maxFruitless : fewFruitless);
  for (let round = 2; !signal.aborted && runs.some((run) => run.mayBringMore()); round += 1) {
    const isEnough = round > maxRounds || fruitless >= mayFail();
    if (isEnough && !runs.some((run) => run.hasTime())) return;
    patience.beginRound();
    const pause = Math.min(longestPauseMilliseconds, pauseMilliseconds * 2 ** (round - 2));
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    const brought = await Promise.all(runs.map(async (run) => run.bringAgain()));
    fruitless = brought.some((count) => count > 0) ? 0 : fruitless + 1;
  }
}

/** The work on one kind. None of it throws: what goes wrong is told. */
interface Run {
  readonly bring: () => Promise<void>;
  /** Whether something failed that may come in another round. */
  readonly mayBringMore: () => boolean;
  /** Whether something is waited for as long as a deadline gives time. */
  readonly hasTime: () => boolean;
  /** @returns how many things came */
  readonly bringAgain: () => Promise<number>;
  /** Tells what failed to the end, and writes down what was learned. */
  readonly end: () => Promise<void>;
}

/** @returns undefined where it cannot even begin, which has been told then */
async function prepare<Job>(
  kind: Artifact<Job>,
  want: Want,
  tools: BringTools,
  options: BringOptions,
): Promise<Run | undefined> {
  const { reporter } = tools;
  const all = await kind.wanted(want);
  const wanted = options.isOnlyMissing === true ? { ...all, jobs: await missingJobs(kind, all.jobs) } : all;
  const items = itemsOf(kind, wanted.jobs);
  reporter.begin(items.length + wanted.refused.length);
  try {
    return new KindRun({ kind, wanted, bringing: await kind.bringing(wanted.jobs, tools) }, tools, options);
  } catch (error) {
    if (error instanceof MirrorError && error.code === "config") throw error;
    reporter.begin(1 - items.length);
    reporter.failed({ kind: "all", of: kind.name }, error);
    return undefined;
  }
}

async function missingJobs<Job>(kind: Artifact<Job>, jobs: readonly Job[]): Promise<Job[]> {
  const missing: Job[] = [];
  for (const job of jobs) {
    const isHere = (await kind.has(job)).every(({ isHeld }) => isHeld);
    if (!isHere || ((await kind.lacks?.(job)) ?? []).length > 0) missing.push(job);
  }
  return missing;
}

interface Work<Job> {
  readonly kind: Artifact<Job>;
  readonly wanted: Wanted<Job>;
  readonly bringing: Bringing<Job>;
}

class KindRun<Job> implements Run {
  private readonly work: Work<Job>;
  private readonly tools: BringTools;
  private readonly options: BringOptions;
  private readonly limit: ReturnType<typeof pLimit>;
  /** What has not come yet, and may. */
  private left = new Map<Job, readonly Failed[]>();
  private brought = 0;
  /** What has been told as done, by id. */
  private readonly done = new Set<string>();
  private isAgain = false;

  constructor(work: Work<Job>, tools: BringTools, options: BringOptions) {
    this.work = work;
    this.tools = tools;
    this.options = options;
    // The HTTP client holds the number of downloads; while some are waited for, others are given their place.
    this.limit = pLimit(Math.max(1, Math.floor((2 * options.concurrency) / work.kind.weight)));
  }

  async bring(): Promise<void> {
    await this.telling(async () => this.bringLevels(this.work.wanted));
  }

  mayBringMore(): boolean {
    return [...this.left.values()].some((failures) => this.mayPass(failures));
  }

  hasTime(): boolean {
    const failures = [...this.left.values()].flat();
    return failures.some(({ error }) => this.tools.patience.hasTimeFor(error));
  }

  async bringAgain(): Promise<number> {
    this.brought = 0;
    this.isAgain = true;
    const jobs = [...this.left].filter(([, failures]) => this.mayPass(failures)).map(([job]) => job);
    await this.telling(async () => this.bringLevels({ jobs, refused: [] }));
    return this.brought;
  }

  async end(): Promise<void> {
    const { reporter } = this.tools;
    for (const { item, error } of [...this.left.values()].flat()) reporter.failed(item, error);
    await this.telling(async () => {
      for (const { item, error } of await this.work.bringing.finish()) {
        reporter.begin(1);
        reporter.failed(item, error);
      }
    });
  }

  private mayPass(failures: readonly Failed[]): boolean {
    return failures.some(({ error }) => this.tools.patience.mayPass(error));
  }

  /** What fails as a whole, such as by a file of ours that is damaged, does not stop the other kinds either. */
  private async telling(work: () => Promise<void>): Promise<void> {
    const { reporter, signal } = this.tools;
    try {
      await work();
    } catch (error) {
      if (signal.aborted) return;
      reporter.begin(1);
      reporter.failed({ kind: "all", of: this.work.kind.name }, error);
    }
  }

  private async bringLevels(wanted: Wanted<Job>): Promise<void> {
    const { reporter, signal } = this.tools;
    for (let next: Wanted<Job> | undefined = wanted; next !== undefined;) {
      for (const { item, reason } of next.refused) reporter.failed(item, new MirrorError("refused", reason));
      await Promise.all(next.jobs.map(async (job) => this.limit(async () => this.bringOne(job))));
      next = signal.aborted ? undefined : await this.nextLevel();
    }
  }

  private async nextLevel(): Promise<Wanted<Job> | undefined> {
    const more = this.work.bringing.found?.();
    if (more === undefined) return undefined;
    if (more.locks.length > 0) await this.options.onFound(more.locks);
    const { jobs, refused } = more.wanted;
    this.tools.reporter.begin(itemsOf(this.work.kind, jobs).length + refused.length);
    return jobs.length + refused.length === 0 ? undefined : more.wanted;
  }

  private async bringOne(job: Job): Promise<void> {
    const { reporter, signal } = this.tools;
    if (signal.aborted) return;
    const failures: Failed[] = [];
    try {
      for await (const outcome of this.work.bringing.bring(job)) {
        if ("error" in outcome) failures.push(outcome);
        // In a later round, what came in an earlier one has been told.
        else if (!this.isAgain || !this.done.has(idOf(outcome.item))) {
          this.done.add(idOf(outcome.item));
          this.brought += 1;
          reporter.done(outcome);
        }
      }
    } catch (error) {
      failures.push(...itemsOf(this.work.kind, [job]).map((item) => ({ item, error })));
    }
    this.left.delete(job);
    if (this.mayPass(failures)) this.left.set(job, failures);
    else for (const { item, error } of failures) reporter.failed(item, error);
  }
}

function itemsOf<Job>(kind: Artifact<Job>, jobs: readonly Job[]): Item[] {
  return jobs.flatMap((job) => kind.items(job).map(({ item }) => item));
}
