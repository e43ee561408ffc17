/**
 * All that a server knows of the state of what it serves. Whoever asks is told what was seen last, and what changed since:
 * each part has a stamp that costs a few looks at files, and is looked at again when that is another. In the background all
 * parts are looked at again and again, in slices, since no folder tells of a file that was written over. Where all of that
 * takes no time to speak of, it is done for whoever asks.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { shareNext } from "../disk/share-next.ts";
import { describeError } from "../errors.ts";
import type { GitFeatures } from "../git/inspect.ts";
import { listRegistries, watchRepositories, type HeldRepository } from "../store/inventory.ts";
import { hexpm } from "../names/hex-repository.ts";
import type { StorePaths } from "../store/paths.ts";
import { openContent, type Content } from "./content.ts";
import { Deeds } from "./deeds.ts";
import { FolderWatch } from "./folders.ts";
import { hidingPaths } from "./hidden-paths.ts";
import { aMoment, Lasting } from "./lasting.ts";
import { atOnce, inBackground, type Pace } from "./pace.ts";
import type { Problem } from "./problem.ts";
import { nothing, RegistryWatch, type RegistryState } from "./registry.ts";
import { RepositoryWatch } from "./repository.ts";
import { Seen } from "./seen.ts";

export interface Overview {
  readonly registries: readonly SeenRegistry[];
  readonly repositories: readonly HeldRepository[];
  readonly problems: readonly Problem[];
  /** When everything was last looked at, to the last file. Milliseconds since 1970; undefined: not yet. */
  readonly lookedAt: number | undefined;
  /** Another where something came, went or was replaced. */
  readonly changes: string;
}

export interface SeenRegistry extends Omit<RegistryState, "problems"> {
  readonly repository: string;
}

// Milliseconds. What takes no longer is done for whoever asks.
const short = 4;
// How old an answer may be; up to there, looking for answers takes one part of so many of the time.
const oldest = 1000;
const memoryFactor = 20;
// Before the first look that nobody asked for.
const firstPause = 300;
// Bytes that who looks once waits for; and milliseconds until the second look, by which what lasts a moment is over.
const mostOnce = 256 * 1024 * 1024;
const settled = aMoment + 200;
// Between two looks at everything: while somebody asks, and else.
const pauseWhileAsked = 1000;
const pauseElse = 60_000;
const lately = 60_000;

interface Watched<Watch, T> {
  readonly watch: Watch;
  readonly seen: Seen<T>;
}

export class Overlook {
  readonly deeds = new Deeds();
  private readonly paths: StorePaths;
  private readonly features: GitFeatures;
  private readonly heldNow: () => Promise<readonly HeldRepository[]>;
  private readonly folders: FolderWatch;
  private readonly hide: (text: string) => string;
  private readonly lasting = new Lasting();
  private readonly registries = new Map<string, Watched<RegistryWatch, RegistryState>>();
  private readonly repositories = new Map<string, Watched<RepositoryWatch, readonly Problem[]>>();
  private readonly stop = new AbortController();
  private content: Promise<Content> | undefined;
  private readonly refreshed = shareNext(async () => this.refresh());
  private last: { readonly overview: Overview; readonly at: number; readonly took: number } | undefined;
  private lookedAt: number | undefined;
  /** Of a look at everything, when nothing had to be read. */
  private everythingTakes = Number.POSITIVE_INFINITY;
  private askedAt = Number.NEGATIVE_INFINITY;
  private wake: () => void = () => undefined;

  constructor(paths: StorePaths, features: GitFeatures) {
    this.paths = paths;
    this.features = features;
    this.heldNow = watchRepositories(paths);
    this.hide = hidingPaths(paths);
    const { mirror, hex, git, filesDir: files } = paths;
    this.folders = new FolderWatch({ mirror, hex, git, files });
    this.folders.look();
  }

  /** Looks in the background, until `close`. */
  start(): void {
    this.goOn().catch(() => undefined);
  }

  close(): void {
    this.stop.abort();
  }

  /** What is known now, shared by all who ask meanwhile. */
  async now(): Promise<Overview> {
    const now = performance.now();
    if (now - this.askedAt > lately) this.wake();
    this.askedAt = now;
    if (this.last !== undefined && now - this.last.at < memoryOf(this.last.took)) return this.last.overview;
    return this.refreshed();
  }

  /** For who looks once: all of it, what is so for a moment left out, and what was read kept for the next. */
  async once(): Promise<Overview> {
    await this.look(atOnce(mostOnce), true);
    let overview = this.sum();
    if (this.lasting.hasPassing()) {
      await sleep(settled);
      await this.look(atOnce(mostOnce), true);
      // Whether what is noted as unsigned is being signed by somebody, or was left so, no single look can tell.
      overview = this.sum(aMoment);
    }
    await (await this.openContent()).save(false);
    return overview;
  }

  /**
   * What is wrong with a file of the registry that a client asks for, as far as is known. @param path `/tarballs/jason-1.4.1.tar`,
   * `/repos/acme/packages/tool` @param isThere whether it is given
   */
  complaint(path: string, isThere: boolean): string | undefined {
    for (const { watch, seen } of this.registries.values()) {
      const found = watch.complaint(path, isThere, (subject) =>
        seen.last?.problems.find((each) => each.subject === subject && this.lasting.isTold(each)),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private async refresh(): Promise<Overview> {
    const began = performance.now();
    await this.look(atOnce(), this.everythingTakes < short);
    const overview = this.sum();
    const at = performance.now();
    this.last = { overview, at, took: at - began };
    return overview;
  }

  private async goOn(): Promise<void> {
    const { signal } = this.stop;
    // Others have more to do when a server begins.
    await sleep(firstPause, undefined, { signal, ref: false });
    while (!signal.aborted) {
      // One pass that fails, as where the system has no room for another open file, is not the last one.
      const isWhole = await this.pass(signal).catch(() => true);
      if (isWhole) await this.pause(signal);
    }
  }

  /** @returns whether nothing is left to read */
  private async pass(signal: AbortSignal): Promise<boolean> {
    const pace = inBackground(signal);
    await this.look(pace, true);
    // What is so for a moment only has to be seen twice.
    this.sum();
    await (await this.openContent()).save(pace.isWhole());
    return pace.isWhole();
  }

  private async pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.wake = () => woken.abort();
    const isAsked = performance.now() - this.askedAt < lately;
    const until = AbortSignal.any([signal, woken.signal]);
    const time = isAsked ? pauseWhileAsked : pauseElse;
    await sleep(time, undefined, { signal: until, ref: false }).catch(() => undefined);
  }

  private async look(pace: Pace, isForced: boolean): Promise<void> {
    await this.findParts();
    const parts = [...this.registries.values(), ...this.repositories.values()];
    for (const { seen } of parts) {
      await seen.look(pace, isForced);
      await pace.breathe();
    }
    if (!isForced || !pace.isWhole()) return;
    this.lookedAt = Date.now();
    this.everythingTakes = pace.worked();
  }

  private async findParts(): Promise<void> {
    const content = await this.openContent();
    // Where the way to them is barred there are none, and the bar is told.
    const registries = await listRegistries(this.paths).catch(() => [this.paths.registry(hexpm)]);
    const held = await this.heldNow().catch((): HeldRepository[] => []);
    keep(
      this.registries,
      registries,
      ({ repository }) => repository,
      (registry) => {
        const watch = new RegistryWatch(registry, this.paths, content);
        const failed = (error: unknown): RegistryState => ({
          ...nothing,
          problems: [
            {
              kind: "registry",
              severity: "unhealthy",
              subject: registry.repository,
              text: `the registry of ${registry.repository} cannot be looked at: ${describeError(error)}`,
            },
          ],
        });
        return { watch, seen: new Seen<RegistryState>(watch, failed) };
      },
    );
    keep(
      this.repositories,
      held,
      ({ place }) => place.path,
      (repository) => {
        const watch = new RepositoryWatch(repository, { features: this.features, content });
        const failed = (error: unknown) => [watch.problem(`cannot be looked at: ${describeError(error)}`)];
        return { watch, seen: new Seen<readonly Problem[]>(watch, failed) };
      },
    );
  }

  private openContent(): Promise<Content> {
    return (this.content ??= openContent(this.paths.cache, this.paths.mirror.path));
  }

  /** @param longest nothing passes later than that; milliseconds */
  private sum(longest?: number): Overview {
    const registries = [...this.registries].map(([repository, { seen }]) => ({
      repository,
      ...(seen.last ?? nothing),
    }));
    const repositories = [...this.repositories.values()];
    const problems = [
      ...this.folders.look(),
      ...registries.flatMap((registry) => registry.problems),
      ...repositories.flatMap(({ seen }) => seen.last ?? []),
      ...this.deeds.list().flatMap((deed) => this.repositories.get(deed.place.path)?.watch.problemOfDeed(deed) ?? []),
    ];
    const counts = [...this.registries, ...this.repositories].map(([key, { seen }]) => `${key} ${seen.changes}`);
    return {
      registries,
      repositories: repositories.map(({ watch }) => watch.held),
      problems: this.lasting.of(problems, longest).map((problem) => ({ ...problem, text: this.hide(problem.text) })),
      lookedAt: this.lookedAt,
      changes: counts.join("\n"),
    };
  }
}

/** Where looking takes less than a millisecond, it is done each time. */
function memoryOf(took: number): number {
  return took < 1 ? 0 : Math.min(oldest, took * memoryFactor);
}

/** Makes what is new, and lets go of what is gone. */
function keep<Thing, Kept>(
  kept: Map<string, Kept>,
  things: readonly Thing[],
  keyOf: (thing: Thing) => string,
  make: (thing: Thing) => Kept,
): void {
  const keys = new Set(things.map(keyOf));
  for (const key of kept.keys()) if (!keys.has(key)) kept.delete(key);
  for (const thing of things) if (!kept.has(keyOf(thing))) kept.set(keyOf(thing), make(thing));
}
