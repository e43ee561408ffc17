/**
 * What a command that ran with the mirror leaves behind: the locks of its project are known, and what they name is here,
 * also what the clients took from caches of their own, so that the next run needs no network.
 */
import type { Kinds } from "../artifacts/kinds.ts";
import { inTurn } from "../artifacts/kinds.ts";
import type { Item } from "../names/item.ts";
import type { Lock } from "../lock/entries.ts";
import { redactUrl } from "../names/git-url.ts";
import { repositoryJobs } from "../plan/repositories.ts";
import { silentReporter } from "../reporter.ts";
import { namesTheSame } from "../store/known-locks.ts";
import { writeOrigins } from "../store/lock-origins.ts";
import type { PullMode } from "../store/pull-mode.ts";
import { asOnlyWriter, type Context } from "../store/context.ts";
import type { GitPolicyKey, KindTools } from "./kinds.ts";
import { remember } from "./remember-locks.ts";
import type { SyncKey } from "./sync.ts";

/** Before the command: what it is about to ask for is not taken for what no lock names. */
export async function makeKnown(context: Context<GitPolicyKey>, locks: readonly Lock[]): Promise<void> {
  const { paths, config } = context;
  const { refused } = repositoryJobs(locks, config);
  const unknown: Lock[] = [];
  for (const lock of locks) {
    if (!(await namesTheSame(paths, lock, { redact: redactUrl, refused }))) unknown.push(lock);
  }
  if (unknown.length === 0) return;
  await asOnlyWriter(context, async (locked) => {
    await remember(locked, { locks: unknown, found: [] }, "begun");
    await writeOrigins(paths, unknown);
  });
}

/** @returns what the locks name and is not here, after all that could be fetched has been */
export async function complete(
  context: Context<SyncKey>,
  openKinds: () => Kinds,
  locks: readonly Lock[],
  { mode, ...tools }: KindTools & { readonly mode: Pick<PullMode, "pulls"> },
): Promise<readonly Item[]> {
  const missing = await missingOf(openKinds(), locks);
  if (!mode.pulls) return missing;
  if (missing.length === 0) {
    await makeKnown(context, locks);
    return missing;
  }
  const { sync } = await import("./sync.ts");
  await sync({ ...context, reporter: silentReporter }, openKinds, locks, tools, { isOnlyMissing: true });
  return missingOf(openKinds(), locks);
}

async function missingOf(kinds: Kinds, locks: readonly Lock[]): Promise<readonly Item[]> {
  const missing = await inTurn(kinds, async (kind) => {
    const found: Item[] = [];
    const wanted = await kind.wanted({ locks, withSubmodules: true });
    found.push(...wanted.refused.map(({ item }) => item));
    for (const job of wanted.jobs) {
      const absent = (await kind.has(job)).filter(({ isHeld }) => !isHeld).map(({ item }) => item);
      found.push(...absent, ...(absent.length === 0 ? ((await kind.lacks?.(job)) ?? []) : []));
    }
    return found;
  });
  return missing.flat();
}
