/**
 * One thing that changes upstream, as it is by now: what is held where upstream was asked lately, else what upstream says,
 * else, where upstream does not say in time, what is held all the same.
 */
import { MirrorError, describeError } from "../errors.ts";
import type { Mark } from "../serve/source.ts";
import type { Asked } from "./asked.ts";
import type { Asking } from "./asking.ts";

export interface Current<T> {
  readonly value: T;
  readonly mark: Mark;
  /** When upstream last said so. Milliseconds since 1970; undefined: nobody knows. */
  readonly since: number | undefined;
  /** Whether upstream says so by now: then all that it names can be had. */
  readonly isFresh: boolean;
}

export interface Changing<T> {
  /** By which it is told from all else that is asked. */
  readonly key: string;
  /** Whom to ask. */
  readonly host: string;
  /** Seconds since it was last asked for, in which it is not asked for again. */
  readonly maxAge: number;
  readonly held: () => Promise<T | undefined>;
  /** Asks upstream, and keeps what it says. @param before what is held @throws MirrorError */
  readonly refresh: (before: T | undefined) => Promise<T>;
  /** Hears what upstream said where that is not believed, or not what is held. */
  readonly onRefused: (why: string) => void;
}

export interface CurrentTools {
  readonly asking: Asking;
  readonly asked: Asked;
}

/** An answer that may change is looked up again this often, whatever its age: upstream may be away by then. Milliseconds. */
export const lookAgainAfter = 5000;
// What upstream does not have is not asked for again for so long. Seconds.
const absentFor = 60;

/** Until when such an answer is given without being looked up again. @param maxAge seconds @returns milliseconds since 1970 */
export function lookedUpBy({ since }: Pick<Current<unknown>, "since">, maxAge: number): number {
  return Math.min(Date.now() + lookAgainAfter, (since ?? 0) + maxAge * 1000);
}

/** @throws MirrorError for what is not held: `not_found` where upstream has none, `away`, `upstream`, `integrity` */
export async function currentOf<T>(changing: Changing<T>, { asking, asked }: CurrentTools): Promise<Current<T>> {
  const { key, host, maxAge, held, refresh, onRefused } = changing;
  const before = await held();
  const answer = asked.get(key);
  const age = answer === undefined ? Infinity : (Date.now() - answer.at) / 1000;
  const since = answer?.isAbsent === true ? undefined : answer?.at;
  if (answer?.isAbsent === true && age < absentFor) {
    if (before === undefined) throw new MirrorError("not_found", `upstream has none (${key})`);
    return { value: before, mark: "stale", since, isFresh: false };
  }
  const refusal = asking.refusal(key);
  if (refusal !== undefined) {
    if (before === undefined) throw refusal;
    return { value: before, mark: "stale", since, isFresh: false };
  }
  if (before !== undefined && age < maxAge && asking.away.get(host) === undefined) {
    return { value: before, mark: "hit", since, isFresh: true };
  }
  const work = async () => {
    try {
      const value = await refresh(before);
      asked.set(key);
      return { value };
    } catch (error) {
      if (error instanceof MirrorError && error.code === "not_found") asked.set(key, { isAbsent: true });
      throw error;
    }
  };
  const fresh = (value: T, mark: Mark): Current<T> => ({ value, mark, since: asked.get(key)?.at, isFresh: true });
  if (before === undefined) return fresh((await asking.bring({ key, host, work })).value, "miss");
  try {
    const renewed = await asking.renew({ key, host, work });
    if (renewed !== undefined) return fresh(renewed.value, "revalidated");
  } catch (error) {
    onRefused(describeError(error));
  }
  return { value: (await held()) ?? before, mark: "stale", since, isFresh: false };
}
