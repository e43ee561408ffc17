/**
 * Makes and refreshes one bare repository: upstream's heads and tags, its HEAD, and every locked commit.
 *
 * A clone is made under a temporary name and renamed: what has a repository's name is whole. What upstream's refs no longer
 * lead to stays, pinned (pins.ts).
 */
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { BareRepository } from "./bare-repository.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import { removeGitLeftovers } from "./leftovers.ts";
import { dropNeedlessPins, isPin, pin, pinOf, pinsFolder, pinsFor, saysCommitIsAbsent, unreachable } from "./pins.ts";
import {
  answersOf,
  headBranch,
  listRemote,
  selectRefs,
  type Advertisement,
  type RefsOfJob,
  type UpstreamTools,
} from "./remote-refs.ts";
import { stderrOf } from "./run.ts";
import { tidy } from "./tidy.ts";

export interface RepositoryJob {
  /** What git fetches, without a login: it becomes an argument. */
  readonly url: string;
  readonly place: Place;
  /** The commits, or annotated tags, that known locks name. */
  readonly revisions: readonly string[];
  /** Which of upstream's refs to have besides. */
  readonly refs: RefsOfJob;
  /** A repository that holds some of upstream's objects already, to make it of where there is none yet. */
  readonly begun?: Place | undefined;
}

export interface RepositoryTools extends UpstreamTools {
  /** Git's own progress, a line at a time. */
  readonly onProgress: (line: string) => void;
  /** Something that is no failure, as the end of a sentence about the repository. */
  readonly note: (text: string) => void;
}

export type RepositoryOutcome = "added" | "updated" | "unchanged";

/** @throws MirrorError; `not_found` when upstream does not have a locked commit */
export async function mirrorRepository(job: RepositoryJob, tools: RepositoryTools): Promise<RepositoryOutcome> {
  const upstream = await listRemote(job.url, tools);
  if (job.place.look() !== undefined) {
    await keepEmptyFolders(job.place);
    const repository = BareRepository.open(job.place, tools);
    await removeGitLeftovers(job.place);
    const { changed, missing } = await refresh(repository, job, upstream, tools);
    if (changed) await tidy(repository, tools.note);
    if (missing !== undefined) throw missing;
    return changed ? "updated" : "unchanged";
  }
  const fresh = job.begun ?? job.place.temporary();
  let missing: unknown;
  try {
    const repository =
      job.begun === undefined
        ? await BareRepository.create(fresh, hasLongIds(job, upstream) ? "sha256" : "sha1", tools)
        : BareRepository.open(fresh, tools);
    await keepEmptyFolders(fresh);
    const result = await refresh(repository, job, upstream, tools);
    ({ missing } = result);
    // Whoever knows no commit of it has not read it: a lock must not make public what only the user's git may read.
    if (missing !== undefined && result.lacking === job.revisions.length) throw missing;
    await fresh.moveTo(job.place);
  } finally {
    await fresh.remove();
  }
  // First it is here: packing it well may take long, and be stopped.
  await tidy(BareRepository.open(job.place, tools), tools.note);
  // What is here is whole and of use, although it lacks one of several commits.
  if (missing !== undefined) throw missing;
  return "added";
}

function hasLongIds(job: RepositoryJob, { refs }: Advertisement): boolean {
  return [...refs.values(), ...job.revisions].some((id) => id.length === 64);
}

/**
 * Brings a repository to upstream's state. Touches nothing when there is nothing to bring.
 * @returns whether anything changed, how many locked commits cannot be had, and the error of the first
 */
async function refresh(
  repository: BareRepository,
  job: RepositoryJob,
  upstream: Advertisement,
  tools: RepositoryTools,
): Promise<{ changed: boolean; lacking: number; missing: unknown }> {
  const fetch = fetcher(repository, job.url, tools);
  const before = await repository.refs();
  const wanted = selectRefs(upstream, job.refs);
  // What has its history keeps it: other clients may have come to need it.
  const isShallow = job.refs.kind === "shallow" && (before.size === 0 || repository.isShallow);
  const stale = [...before.keys()].filter((ref) => !isPin(ref) && !wanted.has(ref));
  const behind = [...wanted].filter(([ref, id]) => before.get(ref) !== id).map(([ref]) => ref);
  let changed = false;

  if (stale.length > 0 || behind.length > 0) {
    // An outage in the middle must not take away what clients could check out: first every commit that is here is
    // pinned. Stale branches go before the fetch: a branch `a` that is gone stands in the way of a new branch `a/b`.
    const hasRoom = ![before, wanted].some((refs) => refs.has(pinsFolder));
    const unadvertised = await unreachable(repository, job.revisions);
    const held = hasRoom ? job.revisions.filter((revision) => !unadvertised.has(revision)) : [];
    const updates = await pinsFor(repository, held);
    await repository.updateRefs([...updates, ...stale.map((ref) => `delete ${ref}\n`)]);
    changed = true;
  }
  if (!isShallow && repository.isShallow) {
    await fetch([...before.values()], ["--unshallow"]);
    changed = true;
  }
  const depth = isShallow ? ["--depth=1"] : [];
  if (behind.length > 0) {
    const specs = job.refs.kind === "all" ? ["refs/heads/*", "refs/tags/*"] : behind;
    await fetch(
      specs.map((ref) => `+${ref}:${ref}`),
      depth,
    );
  }
  // A commit that cannot be had must not cost the others their pins: their heads may be gone already.
  let missing: unknown;
  let lacking = 0;
  for (const revision of await unreachable(repository, job.revisions)) {
    try {
      await pin(repository, revision, () => fetch([revision], depth));
      changed = true;
    } catch (error) {
      if (tools.signal.aborted) throw error;
      missing ??= error;
      lacking += 1;
    }
  }
  const head = await findHead(repository, job, upstream, async (commit) => fetch([commit], depth));
  changed ||= head.isNew;
  // Who was killed while he refreshed it has left pins for the time being.
  const hasPins = [...before.keys()].some(isPin);
  if ((changed || hasPins) && (await dropNeedlessPins(repository, head.name))) changed = true;
  if (await setHead(repository, head.name)) changed = true;
  return { changed, lacking, missing };
}

/** What a try that broke has left is removed before the next: a pack may be large. */
function fetcher(
  repository: BareRepository,
  url: string,
  { ask, extra, onProgress, onAnswer, onLogin }: RepositoryTools,
) {
  return async (refspecs: readonly string[], depth: readonly string[] = []): Promise<void> =>
    ask(async (turn) => {
      const { signal, sign, rest } = turn;
      const onLine = (line: string) => {
        // What git says of its own is no sign of upstream. From here on it ends by itself what does not move.
        if (/^(?:remote: |Receiving)/.test(line)) {
          sign();
          rest();
        }
        onProgress(line);
      };
      try {
        const listening = { onProgress: onLine, onStatus: answersOf(turn, onAnswer), onLogin };
        await repository.fetch(url, refspecs, { depth, extra, ...listening, signal });
        sign();
      } catch (error) {
        await removeGitLeftovers(repository.place);
        throw refusesItsOwn(error, refspecs)
          ? new MirrorError("git", "upstream refuses what it lists", { cause: error })
          : error;
      }
    });
}

/** Whether upstream refuses an id that it listed itself: then the list was damaged on the way, or is old by now. */
function refusesItsOwn(error: unknown, refspecs: readonly string[]): boolean {
  const [, id] = /not our ref ([0-9a-f]+)/.exec(stderrOf(error)) ?? [];
  return id !== undefined && !refspecs.includes(id);
}

/**
 * What HEAD names here: upstream's default branch. Where upstream's is detached, the commit there is pinned, so that a clone
 * has files; without it, HEAD names some commit that is here: a HEAD that leads nowhere breaks clones.
 */
async function findHead(
  repository: BareRepository,
  { refs }: RepositoryJob,
  upstream: Advertisement,
  fetch: (commit: string) => Promise<void>,
): Promise<{ name: string | undefined; isNew: boolean }> {
  const here = await repository.refs();
  const branch = headBranch(upstream);
  if (branch !== undefined && here.has(branch)) return { name: branch, isNew: false };
  const { headId } = upstream;
  if (branch === undefined && headId !== undefined && refs.kind !== "shallow" && refs.defaultBranch) {
    const name = pinOf(headId);
    if (here.has(name)) return { name, isNew: false };
    try {
      await pin(repository, headId, async () => fetch(headId));
      return { name, isNew: true };
    } catch (error) {
      // A server that does not give it costs no more than that.
      if (!saysCommitIsAbsent(error)) throw error;
    }
  }
  const text = await repository.run(["for-each-ref", "--count=1", "--format=%(refname)", "refs/heads/"]);
  return { name: text.trim() || undefined, isNew: false };
}

/** Mix resolves `origin/HEAD`, so HEAD must name what upstream's does. @returns whether it had to be set */
async function setHead(repository: BareRepository, head: string | undefined): Promise<boolean> {
  if (head === undefined) return false;
  const { stdout } = await repository.try(["symbolic-ref", "--quiet", "HEAD"]);
  if (stdout.toString("latin1").trim() === head) return false;
  const bytes = Buffer.from(head, "latin1");
  const name = bytes.toString("utf8");
  // Arguments are text; a name that is none goes where git itself would write it.
  if (Buffer.from(name).equals(bytes)) await repository.run(["symbolic-ref", "HEAD", name]);
  else await repository.place.at("HEAD").write(Buffer.concat([Buffer.from("ref: "), bytes, Buffer.from("\n")]));
  return true;
}
