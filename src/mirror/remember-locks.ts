/** What a sync writes down of the locks that it brings: before anything is fetched, as it finds more, and at the end. */
import type { GitEntry, HexEntry, Lock } from "../lock/entries.ts";
import { redactUrl } from "../names/git-url.ts";
import { releaseItem } from "../names/item.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import type { Context } from "../store/context.ts";
import { isKnownLock, namesTheSame, readKnownLocks, writeKnownLock } from "../store/known-locks.ts";
import type { GitPolicyKey } from "./kinds.ts";
import type { Tally } from "./tally.ts";
import { packagesLock, withEntries } from "./wanted.ts";

export function tellLostLocks({ reporter }: Context, locks: readonly Lock[], before: readonly Lock[]): void {
  for (const lock of locks) {
    const earlier = before.find(({ name }) => name === lock.name);
    if (earlier === undefined || earlier.entries.length === 0) continue;
    if (isAnother(earlier, lock)) {
      const told = `the mirror knew another lock as "${lock.name}" and forgets it now`;
      reporter.note(`${told}; tell them apart with --lock-name`);
    }
    if (lock.entries.length === 0) {
      const count = `${earlier.entries.length} dependencies`;
      reporter.warn(`the lock ${lock.name} names nothing any more, where it named ${count}`);
    }
  }
}

/** What each lock names, and needs besides, is known from now on. For the only writer. */
export async function remember(
  { paths, config }: Context<GitPolicyKey>,
  { locks, found }: Record<"locks" | "found", readonly Lock[]>,
  state: "begun" | "incomplete" | "whole",
): Promise<void> {
  const { refused } = repositoryJobs(locks, config);
  for (const lock of locks) {
    const submodules = found.filter(({ name }) => name === lock.name).flatMap(({ entries }) => entries);
    const isGit = (entry: (typeof submodules)[number]): entry is GitEntry => entry.kind === "git";
    const needed = submodules.filter(isGit);
    const options = { redact: redactUrl, isWhole: state === "whole", refused };
    // One that was whole stays so until it names something else, or something fails.
    const isFine = state === "begun" && (await isKnownLock(paths, lock, options, needed));
    if (!isFine) await writeKnownLock(paths, lock, needed, options);
  }
}

/**
 * At the end. Another process may have come to sync the same lock as it is now, or other packages: what it has written down
 * counts.
 */
export async function rememberAtEnd(
  context: Context<GitPolicyKey>,
  { locks, found }: Record<"locks" | "found", readonly Lock[]>,
  tally: Tally,
): Promise<void> {
  const { paths } = context;
  const own = await stillOurs(context, locks);
  const added = locks.find(({ name }) => name === packagesLock);
  if (added !== undefined) {
    const now = (await readKnownLocks(paths)).find(({ name }) => name === packagesLock);
    const isHeld = ({ repository, name, version }: HexEntry) =>
      paths.registry(repository).tarball(name, version).isFile();
    const merged = withoutMistakes({ ...added, entries: withEntries(now, added) }, tally, isHeld);
    if (merged.entries.length === 0) await paths.knownLock(packagesLock).remove();
    else own.push(merged);
  }
  await remember(context, { locks: own, found }, tally.failures.length === 0 ? "whole" : "incomplete");
}

/** Of the projects' locks, those that no other process has come to sync with another content. */
export async function stillOurs({ paths, config }: Context<GitPolicyKey>, locks: readonly Lock[]): Promise<Lock[]> {
  const { refused } = repositoryJobs(locks, config);
  const ours: Lock[] = [];
  for (const lock of locks) {
    if (lock.name === packagesLock) continue;
    const isForgotten = !paths.knownLock(lock.name).isFile();
    if (isForgotten || (await namesTheSame(paths, lock, { redact: redactUrl, refused }))) ours.push(lock);
  }
  return ours;
}

/**
 * A package that was asked for once and that upstream does not have must not be asked for ever after. One that is held is no
 * mistake: somebody on the way may have said that there is none.
 */
function withoutMistakes(lock: Lock, tally: Tally, isHeld: (entry: HexEntry) => boolean): Lock {
  const isMistake = (entry: Lock["entries"][number]) =>
    entry.kind === "hex" && tally.isNotFound(releaseItem(entry, entry.version)) && !isHeld(entry);
  return { ...lock, entries: lock.entries.filter((entry) => !isMistake(entry)) };
}

/** Two projects whose folders have the same name, rather than one whose lock has changed. */
function isAnother(earlier: Lock, lock: Lock): boolean {
  const apps = new Set(lock.entries.map(({ app }) => app));
  return earlier.entries.length > 0 && apps.size > 0 && !earlier.entries.some(({ app }) => apps.has(app));
}
