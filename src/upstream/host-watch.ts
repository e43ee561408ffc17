/**
 * Whether a host answers. It is taken for away by its silence, not by a count of failures: when nothing at all has come from
 * it for a while to several who wait. As long as it answers anybody, everybody gets the full time. One that is away is
 * tried by one, for whom the others wait, once in a round or a few times; whoever finds it away has failed for this round,
 * so that nobody who waits for it takes the place of one who asks another host.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { orAborted } from "../listeners.ts";
import type { Limits } from "./limits.ts";
import { troubleOf, upstreamTrouble, type Trouble } from "./trouble.ts";

export interface Waiter {
  /** Ends what it does just now. */
  abort: (error: Error) => void;
}

export interface WatchTools {
  readonly limits: Limits;
  /** Whether the job has a deadline, up to which there is time. */
  readonly hasDeadline: boolean;
  readonly tell: (text: string) => void;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
}

// How often one that is away is tried in a round, and in how many rounds: a host of which things came that had failed
// before has a bad line, and is worth more.
const usual = { probes: 1, rounds: 2 };
const ofBadLine = { probes: 3, rounds: 4 };

/** What was waited for in between took so long that things have changed. */
export class AdmitAgain extends Error {}

export class HostWatch {
  private readonly host: string;
  private readonly tools: WatchTools;
  /** Since when each waits, in milliseconds. */
  private readonly waiting = new Map<Waiter, number>();
  private lastSign = -Infinity;
  /** Whether anything ever came from it. */
  hasAnswered = false;
  /** Since when all answers have been errors. */
  private errorsSince: number | undefined;
  private pausedUntil = -Infinity;
  private away: { readonly kind: Trouble["kind"]; readonly message: string } | undefined;
  /** What was last wrong with reaching it, since it last gave a sign. */
  private lastTrouble: { readonly kind: Trouble["kind"]; readonly message: string } | undefined;
  private probesLeft = 0;
  private failedProbes = 0;
  private roundsAway = 0;
  private worth = usual;
  private toldTimes = 0;
  private probe: { readonly over: Promise<void>; readonly end: () => void; readonly by: Waiter } | undefined;

  constructor(host: string, tools: WatchTools) {
    this.host = host;
    this.tools = tools;
  }

  /**
   * Waits until the host may be asked. @param isFirst whether this one has not asked it yet
   * @throws MirrorError `upstream` while it is away; the signal's reason
   */
  async admit(waiter: Waiter, signal: AbortSignal, isFirst: boolean): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const left = this.pausedUntil - this.tools.now();
      // Not all at once, when it may be asked again.
      if (left > 0) await sleep(left + this.jitter(), undefined, { signal });
      else if (this.away === undefined) return;
      else if (this.probe !== undefined) await orAborted(this.probe.over, signal);
      else if (this.probesLeft === 0) throw this.awayError(isFirst);
      else return this.beginProbe(waiter, signal);
    }
  }

  /** Now the host is really asked. @throws AdmitAgain where it is away, or wants to be left alone, since the waiter was admitted */
  begin(waiter: Waiter): void {
    const isAway = this.away !== undefined && this.probe?.by !== waiter;
    if (isAway || this.pausedUntil > this.tools.now()) throw new AdmitAgain();
    if (!this.waiting.has(waiter)) this.waiting.set(waiter, this.tools.now());
  }

  /** Nothing more has to come from the host for this one just now. */
  rest(waiter: Waiter): void {
    this.waiting.delete(waiter);
    // What was wrong when others asked, long ago, tells nothing of those who ask next.
    if (this.waiting.size === 0) this.errorsSince = undefined;
  }

  /** @param isOver the waiter asks for nothing any more; else it may go on later */
  end(waiter: Waiter, isOver: boolean): void {
    if (isOver) this.rest(waiter);
    if (this.probe?.by !== waiter) return;
    const { end } = this.probe;
    this.probe = undefined;
    if (this.away !== undefined) this.failedProbes += 1;
    end();
  }

  /** Something has come from the host. @param isError an answer that says no more than that it cannot */
  sign(isError = false): void {
    const now = this.tools.now();
    this.lastSign = now;
    this.hasAnswered = true;
    this.lastTrouble = undefined;
    this.errorsSince = isError ? (this.errorsSince ?? now) : undefined;
    if (this.away === undefined || (isError && this.away.kind === "busy")) return;
    this.away = undefined;
    this.failedProbes = 0;
    this.roundsAway = 0;
    this.tell(`${this.host} answers again`);
    this.probe?.end();
    this.probe = undefined;
  }

  /** It wants to be left alone. @param seconds from now on; more than anybody would wait count for nothing */
  pause(seconds: number): void {
    if (seconds > this.tools.limits.longestRetryAfter) return;
    this.pausedUntil = Math.max(this.pausedUntil, this.tools.now() + seconds * 1000);
  }

  /** What a try came to. */
  fail(error: unknown): void {
    const trouble = troubleOf(error);
    const isOfReaching = trouble?.kind === "name" || trouble?.kind === "unreachable";
    if (isOfReaching && error instanceof Error) this.lastTrouble = { kind: trouble.kind, message: error.message };
  }

  /** Something came that had failed before. */
  recover(): void {
    this.worth = ofBadLine;
  }

  /** Looks whether it has been silent for too long; called every now and then. */
  look(): void {
    const now = this.tools.now();
    const { limits } = this.tools;
    if (this.probe !== undefined) {
      const since = this.waiting.get(this.probe.by);
      if (since !== undefined && now - since >= limits.probe * 1000) this.probe.by.abort(this.awayError(false));
      return;
    }
    if (this.away !== undefined) return;
    // While it wants to be left alone, it is not asked.
    const last = Math.max(this.lastSign, this.pausedUntil);
    const isQuiet = (seconds: number) =>
      [...this.waiting.values()].filter((since) => now - Math.max(since, last) >= seconds * 1000).length;
    const isLonely = this.waiting.size === 1 && !this.hasAnswered;
    if (isQuiet(limits.silence) >= 2 || isQuiet(isLonely ? limits.lonelySilence : limits.firstByte) > 0) {
      this.leave(this.lastTrouble ?? { kind: "silent", message: `${this.host} does not answer` });
    } else if (
      this.errorsSince !== undefined &&
      this.waiting.size >= 2 &&
      now >= this.pausedUntil &&
      now - this.errorsSince >= limits.unwell * 1000
    ) {
      this.leave({ kind: "busy", message: `${this.host} answers with errors only` });
    }
  }

  /** What failed is tried again. */
  beginRound(): void {
    if (this.away === undefined) return;
    this.roundsAway += 1;
    this.probesLeft = this.isGivenUp() ? 0 : this.worth.probes;
  }

  /** Whether another round would find it as it is. */
  isGivenUp(): boolean {
    if (this.tools.hasDeadline) return false;
    return !this.hasAnswered || (this.away !== undefined && this.roundsAway >= this.worth.rounds);
  }

  private leave(away: NonNullable<HostWatch["away"]>): void {
    this.away = away;
    this.probesLeft = this.hasAnswered ? this.worth.probes : 0;
    const until = this.tools.hasDeadline ? "; it is tried again until the deadline" : "";
    this.tell(`${away.message}${until}`);
    for (const waiter of this.waiting.keys()) waiter.abort(this.awayError(false));
    this.waiting.clear();
  }

  /** That it went away and came back, once: a bad line would say so all the time. */
  private tell(text: string): void {
    if (this.toldTimes < 2) this.tools.tell(text);
    this.toldTimes += 1;
  }

  /** Milliseconds. */
  private jitter(): number {
    return Math.random() * this.tools.limits.pause * 1000;
  }

  private async beginProbe(waiter: Waiter, signal: AbortSignal): Promise<void> {
    let end = () => undefined as void;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.probe = { over, end, by: waiter };
    this.probesLeft = Math.max(0, this.probesLeft - 1);
    this.waiting.delete(waiter);
    try {
      const { pause, longestPause } = this.tools.limits;
      if (this.failedProbes > 0) {
        const seconds = Math.min(longestPause, pause * 2 ** this.failedProbes);
        await sleep(seconds * 1000, undefined, { signal });
      }
    } catch (error) {
      this.end(waiter, true);
      throw error;
    }
  }

  private awayError(isUntried: boolean): Error {
    const { kind, message } = this.away ?? { kind: "silent", message: `${this.host} does not answer` };
    return upstreamTrouble({ kind, host: this.host, isOfHost: true, isUntried }, message);
  }
}
