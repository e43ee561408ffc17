/** What the mirror is to hold: what locks name, and what the configuration adds to them. */
import type { Config } from "../config.ts";
import type { HexEntry, Lock, LockEntry } from "../lock/entries.ts";

/** Under which name the mirror knows the packages that no lock names; no project's folder is called so. */
export const packagesLock = "+packages";

/** `--package`, or `packages` in the configuration, as if a lock named them: that lock, or none. */
export function configuredLocks({ packages }: Pick<Config, "packages">): Lock[] {
  const entries = packages.map(({ repository, name, version }): HexEntry => ({
    kind: "hex",
    app: name,
    name,
    version,
    repository,
  }));
  return entries.length === 0 ? [] : [{ name: packagesLock, entries }];
}

/** Given ones first; what was asked for once with `--package` stays, until `prune` is told to forget it. */
export function withPackages(
  locks: readonly Lock[],
  settings: Pick<Config, "packages">,
  known: readonly Lock[],
): Lock[] {
  const [added] = configuredLocks(settings);
  if (added === undefined) return [...locks];
  const earlier = known.find(({ name }) => name === packagesLock);
  return [...locks, { name: packagesLock, entries: withEntries(earlier, added) }];
}

/** Of both, each once. */
export function withEntries(earlier: Lock | undefined, later: Lock): LockEntry[] {
  const all = [...(earlier?.entries ?? []), ...later.entries].map((entry) => [keyOf(entry), entry] as const);
  return [...new Map(all).values()];
}

function keyOf(entry: LockEntry): string {
  return entry.kind === "hex" ? `${entry.repository}/${entry.name}@${entry.version}` : entry.app;
}
