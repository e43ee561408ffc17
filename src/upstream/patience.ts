/**
 * The one policy of asking others, for HTTP and git alike: what passes is asked for again, after a pause that grows; what
 * arrived damaged once more; a host that is away (host-watch.ts) is left alone; and when the time of the job is over,
 * everything ends. What is asked, and how, is none of its business.
 */
import { setMaxListeners } from "node:events";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { MirrorError } from "../errors.ts";
import { AdmitAgain, HostWatch, type Waiter } from "./host-watch.ts";
import { usualLimits, type Limits } from "./limits.ts";
import { makeTrouble, troubleOf, upstreamTrouble, withTrouble, type Trouble } from "./trouble.ts";

/** One try. */
export interface Turn {
  /** Ends it: the job was stopped, its time is over, or the host is taken for away. */
  readonly signal: AbortSignal;
  /** To be called when the host is really asked, after whatever else was waited for. */
  readonly begin: () => void;
  /** To be called when something comes from the host. @param isError an answer that says no more than that it cannot */
  readonly sign: (isError?: boolean) => void;
  /** To be called when all has come, and what is left is our own work. */
  readonly rest: () => void;
  /** The host wants to be left alone for so many seconds. */
  readonly pause: (seconds: number) => void;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  readonly tries: number;
  /** Of those, how many for what arrives damaged: 2, where nothing is said. */
  readonly damagedTries?: number;
}

export interface Patience {
  readonly limits: Limits;
  /** @param host with its port where that is not the usual one @throws MirrorError what the last try came to, `cancelled` */
  readonly ask: <T>(host: string, options: AskOptions, attempt: (turn: Turn) => Promise<T>) => Promise<T>;
  /** Whether what failed so may come out otherwise in another round. */
  readonly mayPass: (error: unknown) => boolean;
  /** Whether anything came that had failed before: then the line is bad, and not what is asked for. */
  readonly hasRecovered: () => boolean;
  /** Whether there is time for what failed so: a host that is not there may come back until the deadline. */
  readonly hasTimeFor: (error: unknown) => boolean;
  /** What failed is asked for again from now on. */
  readonly beginRound: () => void;
  readonly close: () => void;
}

export interface PatienceSettings {
  /** Seconds from now; undefined: as long as something comes. */
  readonly deadline?: number | undefined;
  readonly tell: (text: string) => void;
  readonly limits?: Partial<Limits>;
  /** Whether it outlives every job: then who asks decides which hosts are away (pull/), and for how long. */
  readonly isLasting?: boolean;
  /** Told what each try came to. */
  readonly onTried?: (host: string, isAnswered: boolean) => void;
  /** Told when a host is asked, and of each sign of it. */
  readonly watch?: { readonly onBegin: (host: string) => void; readonly onSign: (host: string) => void };
}

// Milliseconds.
const lookEvery = 250;

export function createPatience(settings: PatienceSettings): Patience {
  const { deadline, tell, limits: own = {}, isLasting = false, watch: watcher, onTried } = settings;
  const limits = { ...usualLimits, ...own };
  const hasDeadline = deadline !== undefined;
  const hosts = new Map<string, HostWatch>();
  const watch = (host: string): HostWatch => {
    const known = hosts.get(host) ?? new HostWatch(host, { limits, hasDeadline, tell, now: () => performance.now() });
    hosts.set(host, known);
    return known;
  };
  let hasRecovered = false;
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const look = () => {
    for (const host of hosts.values()) host.look();
  };
  const timers: NodeJS.Timeout[] = isLasting ? [] : [setInterval(look, lookEvery).unref()];
  if (deadline !== undefined) timers.push(setTimeout(() => over.abort(), deadline * 1000).unref());

  const ask = async <T>(host: string, options: AskOptions, attempt: (turn: Turn) => Promise<T>): Promise<T> => {
    const tries = new Tries(limits, options);
    const asked = new Asked(host, watch(host), options.signal, over.signal);
    const hearing = watcher === undefined ? attempt : async (turn: Turn) => attempt(heard(turn, host, watcher));
    try {
      for (;;) {
        try {
          const result = await asked.attempt(hearing);
          onTried?.(host, true);
          if (tries.failed > 0) {
            hasRecovered = true;
            watch(host).recover();
          }
          return result;
        } catch (error) {
          watch(host).fail(error);
          // What is not there, or is refused, was answered.
          onTried?.(host, troubleOf(error) === undefined);
          asked.lastError = error;
          await asked.sleep(tries.pauseAfter(error, host, watch(host).hasAnswered));
        }
      }
    } finally {
      asked.end();
    }
  };
  return {
    limits,
    ask,
    mayPass: (error) => {
      const trouble = troubleOf(error);
      return trouble?.isPassing === true && !over.signal.aborted && hosts.get(trouble.host)?.isGivenUp() !== true;
    },
    hasRecovered: () => hasRecovered,
    hasTimeFor: (error) => {
      const trouble = troubleOf(error);
      const isOfHost = trouble !== undefined && (isAbsent(trouble.kind) || trouble.isOfHost === true);
      return hasDeadline && isOfHost && !over.signal.aborted;
    },
    beginRound: () => {
      for (const host of hosts.values()) host.beginRound();
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** A turn of which somebody else hears, too. */
function heard(turn: Turn, host: string, { onBegin, onSign }: NonNullable<PatienceSettings["watch"]>): Turn {
  return {
    ...turn,
    begin: () => {
      turn.begin();
      onBegin(host);
    },
    sign: (isError) => {
      onSign(host);
      turn.sign(isError);
    },
  };
}

/** One who asks, from the first try to the last. */
class Asked implements Waiter {
  private readonly host: string;
  private readonly watch: HostWatch;
  private readonly stop: AbortSignal | undefined;
  private readonly over: AbortSignal;
  private phase = new AbortController();
  private hasAsked = false;
  /** What the last try came to. */
  lastError: unknown;

  constructor(host: string, watch: HostWatch, stop: AbortSignal | undefined, over: AbortSignal) {
    this.host = host;
    this.watch = watch;
    this.stop = stop;
    this.over = over;
  }

  abort(error: Error): void {
    this.phase.abort(error);
  }

  async attempt<T>(attempt: (turn: Turn) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.during(async (signal) => this.tryOnce(signal, attempt));
      } catch (error) {
        if (!(error instanceof AdmitAgain)) throw error;
      }
    }
  }

  private async tryOnce<T>(signal: AbortSignal, attempt: (turn: Turn) => Promise<T>): Promise<T> {
    await this.watch.admit(this, signal, !this.hasAsked);
    const turn: Turn = {
      signal,
      begin: () => {
        this.watch.begin(this);
        this.hasAsked = true;
      },
      sign: (isError) => this.watch.sign(isError),
      rest: () => this.watch.rest(this),
      pause: (seconds) => this.watch.pause(seconds),
    };
    try {
      return await attempt(turn);
    } finally {
      this.watch.end(this, false);
    }
  }

  async sleep(seconds: number): Promise<void> {
    // One that is woken because the host is away finds that out when it asks.
    await this.during(async (signal) => sleep(seconds * 1000, undefined, { signal })).catch((error: unknown) => {
      if (!this.phase.signal.aborted) throw error;
    });
  }

  end(): void {
    this.watch.end(this, true);
  }

  /** @throws what ended it, in words */
  private async during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.phase = new AbortController();
    const signals = [this.phase.signal, this.over, ...(this.stop === undefined ? [] : [this.stop])];
    const signal = AbortSignal.any(signals);
    try {
      return await work(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      if (this.stop?.aborted === true) throw new MirrorError("cancelled", "stopped", { cause: error });
      if (this.over.aborted) throw this.tooLate();
      throw this.phase.signal.reason;
    }
  }

  private tooLate(): MirrorError {
    const { host, hasAsked, lastError: cause } = this;
    const isUntried = !hasAsked;
    return upstreamTrouble({ kind: "deadline", host, isUntried }, "the time that --deadline gives is over", cause);
  }
}

/** How often one thing is asked for, and after which pauses. */
class Tries {
  private readonly limits: Limits;
  private triesLeft: number;
  private damagedLeft: number;
  // It costs much time.
  private silentLeft = 1;
  // Of a host that comes back in between.
  private awayLeft = 5;
  failed = 0;

  constructor(limits: Limits, { tries, damagedTries = 2 }: AskOptions) {
    this.limits = limits;
    this.triesLeft = tries - 1;
    this.damagedLeft = damagedTries - 1;
  }

  /** Seconds. @param isKnown whether the host has ever answered @throws the error, where that was the last try */
  pauseAfter(error: unknown, host: string, isKnown: boolean): number {
    const trouble = troubleOf(error) ?? damage(error, host);
    if (trouble?.isPassing !== true || trouble.isUntried === true) throw error;
    const { kind, retryAfter } = trouble;
    this.failed += 1;
    if (kind === "damaged" || kind === "page") this.damagedLeft -= 1;
    else if (trouble.isOfHost === true) this.awayLeft -= 1;
    else if (kind === "silent") this.silentLeft -= 1;
    else this.triesLeft -= 1;
    const isHopeless = isAbsent(kind) && !isKnown && this.failed > 1;
    const isTooLong = (retryAfter ?? 0) > this.limits.longestRetryAfter;
    const isLast = Math.min(this.triesLeft, this.damagedLeft, this.silentLeft, this.awayLeft) < 0;
    if (isLast || isHopeless || isTooLong) throw error instanceof MirrorError ? withTrouble(error, trouble) : error;
    const { pause, longestPause } = this.limits;
    // What the host wants is kept by its watch, for everybody who asks it.
    const seconds = Math.min(longestPause, pause * 2 ** (this.failed - 1));
    // At random, so that those who failed together do not come again together.
    return seconds * (0.5 + Math.random() / 2);
  }
}

/** A host that refuses or has no address will mostly do so again; one that was there may come back. */
function isAbsent(kind: Trouble["kind"]): boolean {
  return kind === "unreachable" || kind === "name";
}

/** What a try finds wrong with the bytes that came is of the line, or of the host. */
function damage(error: unknown, host: string): Trouble | undefined {
  const isDamage = error instanceof MirrorError && error.code === "integrity";
  return isDamage ? makeTrouble({ kind: "damaged", host }) : undefined;
}
