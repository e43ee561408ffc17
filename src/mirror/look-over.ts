/** What a look at the folder tells, for `status`: the same that a server tells of itself. */
import type { Kinds } from "../artifacts/kinds.ts";
import { coverageOf, covers } from "../facts/coverage.ts";
import type { Lack } from "../facts/shape.ts";
import { Overlook } from "../health/overlook.ts";
import { linesOf } from "../health/problem.ts";
import type { Lock } from "../lock/entries.ts";
import type { StorePaths } from "../store/paths.ts";
import type { KindTools } from "./kinds.ts";

export interface LookedOver {
  /** By the lock's name. */
  readonly coverage: ReadonlyMap<string, { readonly isCovered: boolean; readonly lacks: readonly Lack[] }>;
  readonly problems: readonly string[];
}

export async function lookOver(
  paths: StorePaths,
  known: readonly Lock[],
  kinds: Kinds,
  { gitEnvironments }: KindTools,
): Promise<LookedOver> {
  // Without git, nothing is known of what it can do; then none is served either.
  const { features } = await gitEnvironments().catch(() => ({ features: { reftable: false, systemFile: false } }));
  const overlook = new Overlook(paths, features);
  try {
    const overview = await overlook.once();
    const lacks = await coverageOf(known, kinds, overview, async (kind, job) => (await kind.lacks?.(job)) ?? []);
    // Repositories that are not served are told by their paths here, with the links.
    const told = overview.problems.filter(({ kind }) => kind !== "unserved");
    const coverage = [...lacks].map(([name, list]) => [name, { isCovered: covers(list), lacks: list }] as const);
    return { coverage: new Map(coverage), problems: linesOf(told) };
  } finally {
    overlook.close();
  }
}
