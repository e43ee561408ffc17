/**
 * Makes and refreshes one bare repository: upstream's heads and tags, its HEAD, and every locked commit.
 *
 * A commit must be reachable from an advertised head, or Mix cannot check it out after its fetch of all heads. One
 * that upstream no longer reaches (a force-push) is therefore advertised as `refs/heads/mirror-server/SHA`.
 * A clone is made under a temporary name and renamed: what has a repository's name is whole.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MirrorError } from "../errors.ts";
import { exists } from "../files.ts";
import type { GitEnvironments } from "./environment.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import { foreignSettings } from "./foreign-settings.ts";
import { removeGitLeftovers } from "./leftovers.ts";
import { runGit, tryGit } from "./run.ts";

export interface RepositoryJob {
  /** What git fetches; may hold credentials, so it is never written down. */
  readonly url: string;
  readonly dir: string;
  /** Under which name to make it before it is renamed to `dir`. */
  readonly temporaryDir: string;
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

export interface RepositoryTools {
  readonly environments: GitEnvironments;
  readonly signal: AbortSignal;
  /** Git's own progress, a line at a time. */
  readonly onProgress: (line: string) => void;
}

export type RepositoryOutcome = "added" | "updated" | "unchanged";

/** Upstream's refs: full name → object id, and what HEAD points to. */
interface Advertisement {
  readonly refs: ReadonlyMap<string, string>;
  readonly head: string | undefined;
}

const pins = "refs/heads/mirror-server/";

/** @throws MirrorError; `not_found` when upstream does not have a locked commit */
export async function mirrorRepository(job: RepositoryJob, tools: RepositoryTools): Promise<RepositoryOutcome> {
  const upstream = await listRemote(job.url, tools);
  if (await exists(job.dir)) {
    const { changed, missing } = await refresh(job.dir, job, upstream, tools);
    if (missing !== undefined) throw missing;
    return changed ? "updated" : "unchanged";
  }
  let missing: unknown;
  try {
    await mkdir(dirname(job.dir), { recursive: true });
    const format = hasLongIds(job, upstream) ? "sha256" : "sha1";
    await runGit(
      ["init", "--quiet", "--bare", "--template=", `--object-format=${format}`, job.temporaryDir],
      own(tools),
    );
    // Nothing in it tells where it came from, when it was made or whose machine that was.
    await writeFile(join(job.temporaryDir, "config"), format === "sha256" ? sha256Config : sha1Config);
    ({ missing } = await refresh(job.temporaryDir, job, upstream, tools));
    await rename(job.temporaryDir, job.dir);
  } finally {
    await rm(job.temporaryDir, { recursive: true, force: true });
  }
  // What is here is whole and of use, although it lacks a commit.
  if (missing !== undefined) throw missing;
  return "added";
}

const sha1Config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
const sha256Config =
  "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n";

function hasLongIds(job: RepositoryJob, { refs }: Advertisement): boolean {
  return [...refs.values(), ...job.revisions].some((id) => id.length === 64);
}

/**
 * Brings `dir` to upstream's state. Touches nothing when there is nothing to bring.
 * @returns whether anything changed, and the error of the first locked commit that cannot be had
 */
async function refresh(
  dir: string,
  job: RepositoryJob,
  upstream: Advertisement,
  tools: RepositoryTools,
): Promise<{ changed: boolean; missing: unknown }> {
  if (!(await keepEmptyFolders(dir))) {
    throw new MirrorError("git", `${dir} is no whole git repository; delete it and sync again`);
  }
  const foreign = await foreignSettings(dir);
  if (foreign !== undefined) {
    throw new MirrorError(
      "git",
      `${dir} is not used, since ${foreign}; remove that, or delete the folder and sync again`,
    );
  }
  await removeGitLeftovers(dir);
  const before = await readRefs(dir, tools);
  const wanted = selectRefs(upstream, job.refs);
  // What has its history keeps it: other clients may have come to need it.
  const isShallow = job.refs.kind === "shallow" && (before.size === 0 || (await exists(join(dir, "shallow"))));
  const stale = [...before.keys()].filter((ref) => !ref.startsWith(pins) && !wanted.has(ref));
  const behind = [...wanted].filter(([ref, id]) => before.get(ref) !== id).map(([ref]) => ref);
  let changed = false;

  if (stale.length > 0 || behind.length > 0) {
    // An outage in the middle must not take away what clients could check out: first every commit that is here is
    // pinned. Stale branches go before the fetch: a branch `a` that is gone stands in the way of a new branch `a/b`.
    // An upstream that has a branch of that name leaves no room for pins.
    const hasRoom = ![before, wanted].some((refs) => refs.has(pins.slice(0, -1)));
    const unadvertised = await unreachable(dir, job.revisions, tools);
    const held = hasRoom ? job.revisions.filter((revision) => !unadvertised.has(revision)) : [];
    const updates = held.map((revision) => `update ${pins}${revision} ${revision}\n`);
    await updateRefs(dir, [...updates, ...stale.map((ref) => `delete ${ref}\n`)], tools);
    changed = true;
  }
  if (!isShallow && (await exists(join(dir, "shallow")))) {
    await fetchInto(dir, job.url, ["--unshallow"], [...before.values()], tools);
    changed = true;
  }
  const depth = isShallow ? ["--depth=1"] : [];
  if (behind.length > 0) {
    const specs = job.refs.kind === "all" ? ["refs/heads/*", "refs/tags/*"] : behind;
    await fetchInto(
      dir,
      job.url,
      depth,
      specs.map((ref) => `+${ref}:${ref}`),
      tools,
    );
  }
  // A commit that cannot be had must not cost the others their pins: their heads may be gone already.
  let missing: unknown;
  for (const revision of await unreachable(dir, job.revisions, tools)) {
    try {
      await pin(dir, job.url, revision, depth, tools);
      changed = true;
    } catch (error) {
      if (tools.signal.aborted) throw error;
      missing ??= error;
    }
  }
  if (changed) await dropNeedlessPins(dir, tools);
  const [pinned] = job.revisions;
  const head = upstream.head !== undefined && wanted.has(upstream.head) ? upstream.head : undefined;
  // Without upstream's default branch, HEAD names some commit that is here: a HEAD that leads nowhere breaks clones.
  const substitute = job.refs.kind === "all" || pinned === undefined ? upstream.head : await anyHead(dir, tools);
  if (await setHead(dir, head ?? substitute, tools)) changed = true;
  if (changed) await tidy(dir, tools);
  return { changed, missing };
}

/** Makes sure that `revision`, which no head leads to, is here, and advertises it. */
async function pin(
  dir: string,
  url: string,
  revision: string,
  depth: readonly string[],
  tools: RepositoryTools,
): Promise<void> {
  if (!(await hasWholeCommit(dir, revision, tools))) {
    await fetchInto(dir, url, depth, [revision], tools).catch((cause: unknown) => {
      if (!saysNotThere(cause)) throw cause;
      throw new MirrorError("not_found", `upstream does not have the locked commit ${revision}`, { cause });
    });
    if (!(await hasWholeCommit(dir, revision, tools))) {
      throw new MirrorError("not_found", `upstream's ${revision} is no commit`);
    }
  }
  await updateRefs(dir, [`update ${pins}${revision} ${revision}\n`], tools);
}

/** An outage must not look like a commit that is not there. */
function saysNotThere(error: unknown): boolean {
  const stderr = error instanceof MirrorError ? String(error.data["stderr"]) : "";
  return /not our ref|unadvertised object|couldn't find remote ref|not a valid ref/i.test(stderr);
}

/** With all that it leads to and no ref does: a transfer that broke may have left a commit without its files. */
async function hasWholeCommit(dir: string, revision: string, tools: RepositoryTools): Promise<boolean> {
  const commit = `${revision}^{commit}`;
  if ((await tryGit(["cat-file", "-e", commit], own(tools, dir))).code !== 0) return false;
  return (await tryGit(["rev-list", "--objects", "--quiet", commit, "--not", "--all"], own(tools, dir))).code === 0;
}

/** A commit that a head of upstream's leads to needs no pin. */
async function dropNeedlessPins(dir: string, tools: RepositoryTools): Promise<void> {
  const pinned = [...(await readRefs(dir, tools)).keys()].filter((ref) => ref.startsWith(pins));
  const revisions = pinned.map((ref) => ref.slice(pins.length));
  const needed = await unreachable(dir, revisions, tools, ["--exclude=mirror-server/*"]);
  const needless = revisions.filter((revision) => !needed.has(revision));
  await updateRefs(
    dir,
    needless.map((revision) => `delete ${pins}${revision}\n`),
    tools,
  );
}

/**
 * Those of the commits that no head leads to, or that are not here: in one walk, however many there are.
 * @param excluded heads that do not count, as options of `git rev-list`
 */
async function unreachable(
  dir: string,
  revisions: readonly string[],
  tools: RepositoryTools,
  excluded: readonly string[] = [],
): Promise<Set<string>> {
  const input = revisions.map((revision) => `${revision}\n`).join("");
  const types =
    revisions.length === 0 ? "" : await runGit(["cat-file", "--batch-check"], { ...own(tools, dir), input });
  const lines = types.split("\n");
  const here = revisions.filter((_, index) => lines[index]?.split(" ")[1] === "commit");
  const absent = revisions.filter((revision) => !here.includes(revision));
  if (here.length === 0) return new Set(absent);
  const { code, stdout } = await tryGit(["rev-list", ...here, "--not", ...excluded, "--branches"], own(tools, dir));
  // Where the history of one is not whole, none is taken for advertised.
  if (code !== 0) return new Set(revisions);
  const outside = new Set(stdout.toString("latin1").split("\n"));
  return new Set([...absent, ...here.filter((revision) => outside.has(revision))]);
}

/** All of them, or none. @param commands of `git update-ref --stdin`, a line each */
async function updateRefs(dir: string, commands: readonly string[], tools: RepositoryTools): Promise<void> {
  if (commands.length > 0) await runGit(["update-ref", "--stdin"], { ...own(tools, dir), input: commands.join("") });
}

/** Whether an advertised head contains the commit. False, too, when the commit or the repository is not there. */
export async function isReachable(
  dir: string,
  revision: string,
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<boolean> {
  const args = ["for-each-ref", "--count=1", "--format=%(refname)", `--contains=${revision}`, "refs/heads/"];
  const { code, stdout } = await tryGit(args, { env, cwd: dir, signal });
  return code === 0 && stdout.length > 0;
}

async function listRemote(url: string, tools: RepositoryTools): Promise<Advertisement> {
  const args = ["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"];
  const text = await runGit(args, { env: tools.environments.upstream, signal: tools.signal });
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
  // A shallow mirror serves clients that ask for a commit by its id; branches would only make it deeper.
  const isWanted = (ref: string) =>
    (names.includes(ref) && (kind === "locked" || ref.startsWith("refs/tags/"))) ||
    (kind === "locked" && defaultBranch && ref === upstream.head);
  return new Map([...upstream.refs].filter(([ref]) => isWanted(ref)));
}

async function anyHead(dir: string, tools: RepositoryTools): Promise<string | undefined> {
  const text = await runGit(["for-each-ref", "--count=1", "--format=%(refname)", "refs/heads/"], own(tools, dir));
  return text.trim() || undefined;
}

async function readRefs(dir: string, tools: RepositoryTools): Promise<Map<string, string>> {
  const format = "%(objectname) %(refname)";
  const text = await runGit(["for-each-ref", `--format=${format}`, "refs/heads/", "refs/tags/"], own(tools, dir));
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => [line.slice(line.indexOf(" ") + 1), line.slice(0, line.indexOf(" "))]));
}

async function fetchInto(
  dir: string,
  url: string,
  depth: readonly string[],
  refspecs: readonly string[],
  tools: RepositoryTools,
): Promise<void> {
  const args = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force"];
  await runGit([...args, "--no-recurse-submodules", ...depth, "--", url, ...refspecs], {
    env: tools.environments.upstream,
    cwd: dir,
    signal: tools.signal,
    onStderr: tools.onProgress,
  });
}

/** Mix resolves `origin/HEAD`, so HEAD must name what upstream's does. @returns whether it had to be set */
async function setHead(dir: string, head: string | undefined, tools: RepositoryTools): Promise<boolean> {
  if (head === undefined) return false;
  const { stdout } = await tryGit(["symbolic-ref", "--quiet", "HEAD"], own(tools, dir));
  if (stdout.toString("utf8").trim() === head) return false;
  await runGit(["symbolic-ref", "HEAD", head], own(tools, dir));
  return true;
}

/** One pack with a bitmap, a commit-graph and packed refs: what makes serving cheap. */
async function tidy(dir: string, tools: RepositoryTools): Promise<void> {
  // Neither can be had for a repository without its history.
  const isShallow = await exists(join(dir, "shallow"));
  const bitmap = isShallow ? "--no-write-bitmap-index" : "--write-bitmap-index";
  await runGit(["repack", "-a", "-d", "-q", bitmap], own(tools, dir));
  if (!isShallow) await runGit(["commit-graph", "write", "--reachable"], own(tools, dir));
  await runGit(["pack-refs", "--all"], own(tools, dir));
  await keepEmptyFolders(dir);
}

function own(tools: RepositoryTools, cwd?: string) {
  return { env: tools.environments.own, signal: tools.signal, ...(cwd === undefined ? {} : { cwd }) };
}
