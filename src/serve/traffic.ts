/**
 * What was asked and how it was answered: counted for metrics, the last ones kept for people to look at. Workers count for
 * themselves and tell the server's process what they counted.
 */
import type { Answered } from "../facts/shape.ts";
import { requestShown, type Target } from "./hosts.ts";
import type { Mark } from "./source.ts";

export type Kind = Answered["kind"];
export type Outcome = Answered["outcome"];

/** One that was answered, as it is noted: what people see of it is made when somebody looks. */
export interface Noted extends Omit<Answered, "what"> {
  /** As the client sent them. */
  readonly url: string;
  readonly host: string | undefined;
}

export interface Count {
  readonly kind: Kind;
  readonly outcome: Outcome;
  requests: number;
  bytes: number;
  seconds: number;
  /** How many took longer than the bound before and no longer than each of `bounds`; the last: longer than all. */
  readonly within: number[];
}

/** Seconds: from memory to a large pack over a slow line. */
export const bounds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

const mostRecent = 100;

type Counts = Partial<Record<Kind, Partial<Record<Outcome, Count>>>>;

/** Each request passes here, tens of thousands a second: it is counted by a few additions, and kept as it came. */
export class Traffic {
  private counts: Counts = {};
  private last: (Noted | undefined)[] = [];
  /** Where the next one goes. */
  private next = 0;
  private readonly listeners = new Set<(answered: Answered) => void>();
  /** Those that were answered from memory. */
  private fromMemory = 0;

  note(noted: Noted): void {
    const { kind, outcome, bytes, ms } = noted;
    const count = this.countOf(kind, outcome);
    const seconds = ms / 1000;
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] ?? 0)) index += 1;
    count.requests += 1;
    count.bytes += bytes;
    count.seconds += seconds;
    count.within[index] = (count.within[index] ?? 0) + 1;
    this.remember(noted);
  }

  /** The same, for what was answered from memory. */
  noteFromMemory(noted: Noted): void {
    this.fromMemory += 1;
    this.note(noted);
  }

  /** What was counted so far. */
  all(): { readonly counts: readonly Count[]; readonly fromMemory: number } {
    const counts = Object.values(this.counts).flatMap((ofKind) => Object.values(ofKind));
    return { counts, fromMemory: this.fromMemory };
  }

  /** The same, and begins anew. */
  take(): Taken | undefined {
    const { counts, fromMemory } = this.all();
    if (counts.length === 0) return undefined;
    const recent = this.noted();
    this.counts = {};
    this.fromMemory = 0;
    this.last = [];
    this.next = 0;
    return { counts, fromMemory, recent };
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
    return this.noted().map(shown);
  }

  /** @returns what ends it */
  listen(listener: (answered: Answered) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private noted(): Noted[] {
    const inOrder = [...this.last.slice(this.next), ...this.last.slice(0, this.next)];
    return inOrder.filter((each) => each !== undefined);
  }

  private countOf(kind: Kind, outcome: Outcome): Count {
    const ofKind = (this.counts[kind] ??= {});
    return (ofKind[outcome] ??= {
      kind,
      outcome,
      requests: 0,
      bytes: 0,
      seconds: 0,
      within: [...bounds.map(() => 0), 0],
    });
  }

  private remember(noted: Noted): void {
    // What asks for health, metrics and the page itself would drive out all else.
    if (isOfWatchers(noted.kind)) return;
    this.last[this.next] = noted;
    this.next = (this.next + 1) % mostRecent;
    if (this.listeners.size === 0) return;
    const answered = shown(noted);
    for (const listener of this.listeners) listener(answered);
  }
}

function shown({ url, host, ...answered }: Noted): Answered {
  return { ...answered, what: requestShown(url, host) };
}

/** What a worker tells. */
export interface Taken {
  readonly counts: readonly Count[];
  readonly fromMemory: number;
  readonly recent: readonly Noted[];
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
function kindOfPath(path: string): Kind {
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
