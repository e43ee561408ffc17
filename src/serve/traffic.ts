/**
 * What was asked and how it was answered: counted for metrics, the last ones kept for people to look at. Workers count for
 * themselves and tell the server's process what they counted.
 */
import type { Answered } from "../facts/shape.ts";
import type { Target } from "./hosts.ts";
import type { Mark } from "./source.ts";

export type Kind = Answered["kind"];
export type Outcome = Answered["outcome"];

export interface Count {
  readonly kind: Kind;
  readonly outcome: Outcome;
  requests: number;
  bytes: number;
  seconds: number;
  /** How many took no longer than each of `bounds`. */
  readonly within: number[];
}

/** Seconds: from memory to a large pack over a slow line. */
export const bounds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

const mostRecent = 100;

export class Traffic {
  private counts = new Map<string, Count>();
  private readonly last: Answered[] = [];
  private readonly listeners = new Set<(answered: Answered) => void>();
  /** Those that were answered from memory. */
  private fromMemory = 0;

  note(answered: Answered): void {
    this.count(answered.kind, answered.outcome, answered.bytes, answered.ms);
    this.remember(answered);
  }

  /** The same, for what was answered from memory. */
  noteFromMemory(answered: Answered): void {
    this.fromMemory += 1;
    this.note(answered);
  }

  /** What was counted so far. */
  all(): { readonly counts: readonly Count[]; readonly fromMemory: number } {
    return { counts: [...this.counts.values()], fromMemory: this.fromMemory };
  }

  /** The same, and begins anew. */
  take(): Taken | undefined {
    if (this.counts.size === 0) return undefined;
    const taken = { ...this.all(), recent: this.last.splice(0) };
    this.counts = new Map();
    this.fromMemory = 0;
    return taken;
  }

  /** What a worker has counted. */
  add({ counts, fromMemory, recent }: Taken): void {
    this.fromMemory += fromMemory;
    for (const { kind, outcome, requests, bytes, seconds, within } of counts) {
      const count = this.countOf(kind, outcome);
      count.requests += requests;
      count.bytes += bytes;
      count.seconds += seconds;
      within.forEach((number, index) => (count.within[index] = (count.within[index] ?? 0) + number));
    }
    for (const each of recent) this.remember(each);
  }

  /** The newest last. */
  recent(): readonly Answered[] {
    return this.last;
  }

  /** @returns what ends it */
  listen(listener: (answered: Answered) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private count(kind: Kind, outcome: Outcome, bytes: number, ms: number): void {
    const count = this.countOf(kind, outcome);
    const seconds = ms / 1000;
    count.requests += 1;
    count.bytes += bytes;
    count.seconds += seconds;
    for (let index = bounds.length - 1; index >= 0 && seconds <= (bounds[index] ?? 0); index--)
      count.within[index] = (count.within[index] ?? 0) + 1;
  }

  private countOf(kind: Kind, outcome: Outcome): Count {
    const key = `${kind} ${outcome}`;
    let count = this.counts.get(key);
    if (count === undefined) {
      count = { kind, outcome, requests: 0, bytes: 0, seconds: 0, within: bounds.map(() => 0) };
      this.counts.set(key, count);
    }
    return count;
  }

  private remember(answered: Answered): void {
    // What asks for health, metrics and the page itself would drive out all else.
    if (isOfWatchers(answered.kind)) return;
    this.last.push(answered);
    if (this.last.length > mostRecent) this.last.shift();
    for (const listener of this.listeners) listener(answered);
  }
}

/** What a worker tells. */
export interface Taken {
  readonly counts: readonly Count[];
  readonly fromMemory: number;
  readonly recent: readonly Answered[];
}

function isOfWatchers(kind: Kind): boolean {
  return kind === "health" || kind === "metrics" || kind === "page";
}

/** What a request was for. */
export function kindOf(target: Target | undefined): Kind {
  switch (target?.kind) {
    case "own":
    case "upstream":
      return kindOfPath(target.path);
    case "file":
    case "git":
      return target.kind;
    default:
      return "other";
  }
}

// Of what is in the registry's rooms, by its first part below the repository.
const rooms: Readonly<Record<string, Kind>> = {
  "": "page",
  ui: "page",
  login: "page",
  api: "api",
  health: "health",
  metrics: "metrics",
  names: "record",
  versions: "record",
  public_key: "record",
  packages: "record",
  policies: "record",
  tarballs: "tarball",
  docs: "docs",
  installs: "installer",
};

/** @param path of the mirror's own */
export function kindOfPath(path: string): Kind {
  if (path === "/api/mirror" || path.startsWith("/api/mirror/")) return "page";
  const [, first = ""] = /^\/(?:repos\/[^/]+\/)?([^/]*)/.exec(path) ?? [];
  return rooms[first] ?? "other";
}

/** @param mark as of `X-Mirror`, where the answer has one */
export function outcomeOf(status: number, mark: unknown, isWhole: boolean): Outcome {
  if (!isWhole) return "aborted";
  if (status === 404 || status === 410) return "not_found";
  if (status === 503 || status === 429) return "busy";
  if (status >= 500) return "failed";
  if (status >= 400) return "refused";
  return typeof mark === "string" ? (mark as Mark) : "ok";
}
