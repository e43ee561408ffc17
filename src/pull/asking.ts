/**
 * Asking upstream on behalf of clients: one request for all who want the same, which goes on when they go away; for who
 * could have what is held, no longer than `--upstream-timeout`; and hosts that do not answer are left alone.
 */
import { LRUCache } from "lru-cache";
import { MirrorError, describeError, type ErrorCode } from "../errors.ts";
import { troubleOf, type TroubleKind } from "../upstream/trouble.ts";
import { timeOf, type AwayHost, type HostsAway } from "./hosts-away.ts";

export interface Question<T> {
  /** By which others who want the same are told. */
  readonly key: string;
  /** Whom it asks, with its port where that is not the usual one. */
  readonly host: string;
  readonly work: () => Promise<T>;
}

export interface Asking {
  /** For what is not held. @throws MirrorError what it came to; `away` and `upstream` where upstream could not be asked */
  readonly bring: <T>(question: Question<T>) => Promise<T>;
  /**
   * For what is held: undefined where upstream does not say in time, and will be asked again by who comes later.
   * @throws MirrorError for what upstream said, such as `not_found`; `integrity` for what it is not believed
   */
  readonly renew: <T>(question: Question<T>) => Promise<T | undefined>;
  /** What upstream said lately that will be the same when it is asked again at once. */
  readonly refusal: (key: string) => Error | undefined;
  readonly away: HostsAway;
  /** What is fetched just now. */
  readonly underWay: () => readonly UnderWay[];
  /** When nothing is under way any more. */
  readonly settled: () => Promise<void>;
}

export interface UnderWay {
  /** `record jason` */
  readonly what: string;
  readonly host: string;
  /** When it was begun. Milliseconds since 1970. */
  readonly since: number;
}

interface Flight extends Omit<UnderWay, "what"> {
  readonly result: Promise<unknown>;
  /** Milliseconds, by a clock that nobody sets. */
  readonly began: number;
}

// What upstream says that it does not have, or gives and is not believed, is not asked for again for so long. Milliseconds.
const refusedFor: Readonly<Partial<Record<ErrorCode, number>>> = {
  not_found: 60_000,
  too_large: 600_000,
  refused: 10_000,
  integrity: 10_000,
};

/**
 * @param timeout seconds
 * @param onBrought told when something has come
 */
export function createAsking(away: HostsAway, timeout: number, onBrought: () => void): Asking {
  const flights = new Map<string, Flight>();
  const refusals = new LRUCache<string, Error>({ max: 10_000 });

  // Not an async function: nobody but those who wait need see its failure.
  // oxlint-disable-next-line typescript/promise-function-async
  const fly = <T>({ key, host, work }: Question<T>): Promise<T> => {
    const under = flights.get(key);
    if (under !== undefined) return under.result as Promise<T>;
    const result = work().then(
      (value) => {
        away.answered(host);
        onBrought();
        return value;
      },
      (error: unknown) => {
        const kind = troubleOf(error)?.kind;
        // What came, and was not what it should be, came.
        if (kind !== undefined && silent.has(kind)) away.failed(host, describeError(error));
        else if (kind !== undefined && kind !== "damaged") away.stumbled(host, describeError(error));
        else if (isAnswer(error)) away.answered(host);
        const ttl = error instanceof MirrorError && kind === undefined ? refusedFor[error.code] : undefined;
        if (error instanceof MirrorError && ttl !== undefined) refusals.set(key, error, { ttl });
        throw error;
      },
    );
    flights.set(key, { host, result, began: performance.now(), since: Date.now() });
    result.catch(() => undefined).finally(() => flights.delete(key));
    return result;
  };

  return {
    away,
    refusal: (key) => refusals.get(key),
    bring: async (question) => {
      const { host, key } = question;
      const refused = refusals.get(key);
      if (refused !== undefined) throw refused;
      const known = away.get(host);
      if (!flights.has(key) && !away.mayTry(host)) throw unreachable(host, known ?? unknown);
      try {
        const flight = fly(question);
        // One who tries a host that is away waits no longer than anybody waits for it.
        return await (known === undefined ? flight : within(flight, timeout, () => unreachable(host, known)));
      } catch (error) {
        throw forClient(error, away.get(host) ?? { host, ...unknown });
      }
    },
    renew: async (question) => {
      const { host, key } = question;
      const known = away.get(host);
      if (!flights.has(key) && !away.mayTry(host)) return undefined;
      const flight = fly(question);
      const began = flights.get(key)?.began ?? performance.now();
      // Beside, so that nobody waits for it once more.
      if (known !== undefined || performance.now() - began > timeout * 1000) return undefined;
      const tooLate = () => new TooLate();
      return within(flight, timeout, tooLate).catch((error: unknown) => {
        if (error instanceof TooLate) {
          // One that is slow with this, and not with others, is there.
          if (away.isSilent(host, timeout * 500)) away.failed(host, `it has not answered for ${timeout} s`);
          return undefined;
        }
        if (troubleOf(error) !== undefined && troubleOf(error)?.kind !== "damaged") return undefined;
        throw error;
      });
    },
    underWay: () => [...flights].map(([what, { host, since }]) => ({ what, host, since })),
    settled: async () => {
      while (flights.size > 0) await Promise.allSettled([...flights.values()].map(async ({ result }) => result));
    },
  };
}

class TooLate extends Error {}

const unknown = { since: Infinity, reason: "it does not answer" };
// Milliseconds.
const justNow = 5000;

// Nothing came, or not enough in time.
const silent: ReadonlySet<TroubleKind> = new Set(["silent", "unreachable", "name", "deadline"]);

/** As a client is told of it: an outage never looks like "not there". */
function forClient(error: unknown, { host, since }: Pick<AwayHost, "host" | "since">): unknown {
  const trouble = troubleOf(error);
  if (trouble === undefined || !(error instanceof MirrorError)) return error;
  return silent.has(trouble.kind)
    ? unreachable(host, { since, reason: describeError(error) })
    : new MirrorError("upstream", error.message);
}

function unreachable(host: string, { since, reason }: Pick<AwayHost, "since" | "reason">): MirrorError {
  const how = Date.now() - since < justNow ? "just now" : `since ${timeOf(since)}`;
  return new MirrorError("away", `it is not held here, and ${host} cannot be asked ${how}: ${reason}`);
}

/** Whether an error is what upstream said, and not that it said nothing. */
function isAnswer(error: unknown): boolean {
  return error instanceof MirrorError && ["not_found", "refused", "integrity", "too_large"].includes(error.code);
}

/** @param seconds after which `late` says what was wrong */
async function within<T>(work: Promise<T>, seconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), seconds * 1000);
  });
  return Promise.race([work, over]).finally(() => clearTimeout(timer));
}
