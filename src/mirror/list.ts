/** What is held, thing by thing: how big it is, and which known locks want it. */
import type { Artifact, Held } from "../artifacts/artifact.ts";
import { bytesOf } from "../artifacts/bytes-of.ts";
import { inTurn, type Kinds } from "../artifacts/kinds.ts";
import type { Lock } from "../lock/entries.ts";
import { requireMirror, type Context } from "../store/context.ts";
import { readKnownLocks } from "../store/known-locks.ts";

const atOnce = 100;
const none: readonly string[] = [];

export interface Listed extends Held {
  readonly bytes: number;
  /** That name it. */
  readonly locks: readonly string[];
}

export type ListedItem = Pick<Listed, "item" | "bytes" | "locks">;

export async function list(context: Context<"nearby">, kinds: Kinds): Promise<ListedItem[]> {
  await requireMirror(context);
  return listFor(kinds, await readKnownLocks(context.paths));
}

export async function listFor(kinds: Kinds, known: readonly Lock[]): Promise<ListedItem[]> {
  const all = (await inTurn(kinds, async (kind) => listWithLocks(kind, known))).flat();
  return all.map(({ item, bytes, locks }) => ({ item, bytes, locks }));
}

export async function listWithLocks<Job>(kind: Artifact<Job>, known: readonly Lock[]): Promise<Listed[]> {
  const { jobs } = await kind.wanted({ locks: known, withHeld: true });
  const locks = new Map<string, Set<string>>();
  for (const { keys, locks: names } of jobs.flatMap((job) => kind.items(job))) {
    for (const key of keys) locks.set(key, new Set(names));
  }
  const all = await kind.list();
  const listed: Listed[] = [];
  // There may be hundreds of thousands.
  for (let from = 0; from < all.length; from += atOnce) {
    const some = all.slice(from, from + atOnce).map(async (held) => {
      const names = locks.get(held.key);
      return { ...held, bytes: await bytesOf(held), locks: names === undefined ? none : [...names] };
    });
    listed.push(...(await Promise.all(some)));
  }
  return listed;
}
