/**
 * Makes and refreshes one bare repository: upstream's heads and tags, its HEAD, and every locked commit.
 *
 * A commit must be reachable from an advertised head, or Mix cannot check it out after its fetch of all heads. One
 * that upstream no longer reaches (a force-push) is therefore advertised as `refs/heads/mirror-server/SHA`.
 * A clone is made under a temporary name and renamed: what has a repository's name is whole.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { BareRepository, type GitTools } from "./bare-repository.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import { removeGitLeftovers } from "./leftovers.ts";
import { runGit } from "./run.ts";

export interface RepositoryJob {
  /** What git fetches, without a login: it becomes an argument. */
  readonly url: string;
  readonly place: Place;
  /** The commits that known locks name. */
  readonly revisions: readonly string[];
  /** Which of upstream's refs to have besides. */
  readonly refs: {
    readonly kind: "all" | "locked" | "shallow";
    /** Full names; of no meaning for `all`. */
    readonly names: readonly string[];
    readonly defaultBranch: boolean;
  };
}

export interface RepositoryTools extends GitTools {
  readonly signal: AbortSignal;
  /** Variables for what asks upstream. */
  readonly extra: Readonly<Record<string, string>>;
  /** Git's own progress, a line at a time. */
  readonly onProgress: (line: string) => void;
}

export type RepositoryOutcome = "added" | "updated" | "unchanged";

/** Upstream's refs: full name → object id, and what HEAD points to. Names are bytes, here as Latin-1. */
interface Advertisement {
  readonly refs: ReadonlyMap<string, string>;
  readonly head: string | undefined;
}

const pins = "refs/heads/mirror-server/";

/** @throws MirrorError; `not_found` when upstream does not have a locked commit */
export async function mirrorRepository(job: RepositoryJob, tools: RepositoryTools): Promise<RepositoryOutcome> {
  const upstream = await listRemote(job.url, tools);
  if (job.place.look() !== undefined) {
    await keepEmptyFolders(job.place);
    const repository = BareRepository.open(job.place, tools);
    await removeGitLeftovers(job.place);
    const { changed, missing } = await refresh(repository, job, upstream, tools);
    if (missing !== undefined) throw missing;
    return changed ? "updated" : "unchanged";
  }
  const fresh = job.place.temporary();
  let missing: unknown;
  try {
    const repository = await BareRepository.create(fresh, hasLongIds(job, upstream) ? "sha256" : "sha1", tools);
    await keepEmptyFolders(fresh);
    const result = await refresh(repository, job, upstream, tools);
    ({ missing } = result);
    // Whoever knows no commit of it has not read it: a lock must not make public what only the user's git may read.
    if (missing !== undefined && result.lacking === job.revisions.length) throw missing;
    await fresh.moveTo(job.place);
  } finally {
    await fresh.remove();
  }
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
  const fetch = async (refspecs: readonly string[], depth: readonly string[] = []) =>
    repository.fetch(job.url, refspecs, { depth, extra: tools.extra, onProgress: tools.onProgress });
  const before = await repository.refs();
  const wanted = selectRefs(upstream, job.refs);
  // What has its history keeps it: other clients may have come to need it.
  const isShallow = job.refs.kind === "shallow" && (before.size === 0 || repository.isShallow);
  const stale = [...before.keys()].filter((ref) => !ref.startsWith(pins) && !wanted.has(ref));
  const behind = [...wanted].filter(([ref, id]) => before.get(ref) !== id).map(([ref]) => ref);
  let changed = false;

  if (stale.length > 0 || behind.length > 0) {
    // An outage in the middle must not take away what clients could check out: first every commit that is here is
    // pinned. Stale branches go before the fetch: a branch `a` that is gone stands in the way of a new branch `a/b`.
    // An upstream that has a branch of that name leaves no room for pins.
    const hasRoom = ![before, wanted].some((refs) => refs.has(pins.slice(0, -1)));
    const unadvertised = await unreachable(repository, job.revisions);
    const held = hasRoom ? job.revisions.filter((revision) => !unadvertised.has(revision)) : [];
    const updates = held.map((revision) => `update ${pins}${revision} ${revision}\n`);
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
  if (changed) await dropNeedlessPins(repository);
  const [pinned] = job.revisions;
  const head = upstream.head !== undefined && wanted.has(upstream.head) ? upstream.head : undefined;
  // Without upstream's default branch, HEAD names some commit that is here: a HEAD that leads nowhere breaks clones.
  const substitute = job.refs.kind === "all" || pinned === undefined ? upstream.head : await anyHead(repository);
  if (await setHead(repository, head ?? substitute)) changed = true;
  if (changed) await tidy(repository);
  return { changed, lacking, missing };
}

/** Makes sure that `revision`, which no head leads to, is here, and advertises it. */
async function pin(repository: BareRepository, revision: string, fetch: () => Promise<void>): Promise<void> {
  if (!(await hasWholeCommit(repository, revision))) {
    await fetch().catch((cause: unknown) => {
      if (!saysNotThere(cause)) throw cause;
      throw new MirrorError("not_found", `upstream does not have the locked commit ${revision}`, { cause });
    });
    if (!(await hasWholeCommit(repository, revision))) {
      throw new MirrorError("not_found", `upstream's ${revision} is no commit`);
    }
  }
  await repository.updateRefs([`update ${pins}${revision} ${revision}\n`]);
}

/** An outage must not look like a commit that is not there. */
function saysNotThere(error: unknown): boolean {
  const stderr = error instanceof MirrorError ? String(error.data["stderr"]) : "";
  return /not our ref|unadvertised object|couldn't find remote ref|not a valid ref/i.test(stderr);
}

/** With all that it leads to and no ref does: a transfer that broke may have left a commit without its files. */
async function hasWholeCommit(repository: BareRepository, revision: string): Promise<boolean> {
  const commit = `${revision}^{commit}`;
  if ((await repository.try(["cat-file", "-e", commit])).code !== 0) return false;
  return (await repository.try(["rev-list", "--objects", "--quiet", commit, "--not", "--all"])).code === 0;
}

/** A commit that a head of upstream's leads to needs no pin. */
async function dropNeedlessPins(repository: BareRepository): Promise<void> {
  const pinned = [...(await repository.refs()).keys()].filter((ref) => ref.startsWith(pins));
  const revisions = pinned.map((ref) => ref.slice(pins.length));
  const needed = await unreachable(repository, revisions, ["--exclude=mirror-server/*"]);
  const needless = revisions.filter((revision) => !needed.has(revision));
  await repository.updateRefs(needless.map((revision) => `delete ${pins}${revision}\n`));
}

/**
 * Those of the commits that no head leads to, or that are not here: in one walk, however many there are.
 * @param excluded heads that do not count, as options of `git rev-list`
 */
async function unreachable(
  repository: BareRepository,
  revisions: readonly string[],
  excluded: readonly string[] = [],
): Promise<Set<string>> {
  const input = revisions.map((revision) => `${revision}\n`).join("");
  const types = revisions.length === 0 ? "" : await repository.run(["cat-file", "--batch-check"], { input });
  const lines = types.split("\n");
  const here = revisions.filter((_, index) => lines[index]?.split(" ")[1] === "commit");
  const absent = revisions.filter((revision) => !here.includes(revision));
  if (here.length === 0) return new Set(absent);
  const { code, stdout } = await repository.try(["rev-list", ...here, "--not", ...excluded, "--branches"]);
  // Where the history of one is not whole, none is taken for advertised.
  if (code !== 0) return new Set(revisions);
  const outside = new Set(stdout.toString("latin1").split("\n"));
  return new Set([...absent, ...here.filter((revision) => outside.has(revision))]);
}

/** Whether an advertised head contains the commit. False, too, when the commit or the repository is not there. */
export async function isReachable(repository: BareRepository, revision: string): Promise<boolean> {
  const args = ["for-each-ref", "--count=1", "--format=%(refname)", `--contains=${revision}`, "refs/heads/"];
  const { code, stdout } = await repository.try(args);
  return code === 0 && stdout.length > 0;
}

async function listRemote(url: string, tools: RepositoryTools): Promise<Advertisement> {
  const args = ["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"];
  const { env, cwd } = tools.environments.upstream();
  const text = await runGit(args, { env: { ...env, ...tools.extra }, cwd, signal: tools.signal });
  const refs = new Map<string, string>();
  let head: string | undefined;
  for (const line of text.split("\n")) {
    const [value = "", ref = ""] = line.split("\t");
    if (value.startsWith("ref: ") && ref === "HEAD") head = value.slice("ref: ".length);
    // `refs/tags/v1^{}` is what the tag v1 points to, not a ref.
    else if (/^refs\/(?:heads|tags)\//.test(ref) && !ref.endsWith("^{}") && !ref.startsWith(pins)) refs.set(ref, value);
  }
  return { refs, head };
}

function selectRefs(
  upstream: Advertisement,
  { kind, names, defaultBranch }: RepositoryJob["refs"],
): Map<string, string> {
  if (kind === "all") return new Map(upstream.refs);
  const asked = new Set(names.map((name) => Buffer.from(name).toString("latin1")));
  // A shallow mirror serves clients that ask for a commit by its id; branches would only make it deeper.
  const isWanted = (ref: string) =>
    (asked.has(ref) && (kind === "locked" || ref.startsWith("refs/tags/"))) ||
    (kind === "locked" && defaultBranch && ref === upstream.head);
  return new Map([...upstream.refs].filter(([ref]) => isWanted(ref)));
}

async function anyHead(repository: BareRepository): Promise<string | undefined> {
  const text = await repository.run(["for-each-ref", "--count=1", "--format=%(refname)", "refs/heads/"]);
  return text.trim() || undefined;
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

/** One pack with a bitmap, a commit-graph and packed refs: what makes serving cheap. */
async function tidy(repository: BareRepository): Promise<void> {
  // Neither can be had for a repository without its history.
  const { isShallow } = repository;
  const bitmap = isShallow ? "--no-write-bitmap-index" : "--write-bitmap-index";
  await repository.run(["repack", "-a", "-d", "-q", bitmap]);
  if (!isShallow) await repository.run(["commit-graph", "write", "--reachable"]);
  await repository.run(["pack-refs", "--all"]);
  await keepEmptyFolders(repository.place);
}
