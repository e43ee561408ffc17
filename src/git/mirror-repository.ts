/**
 * Makes and refreshes one bare repository: upstream's heads and tags, its HEAD, and every locked commit.
 *
 * A commit must be reachable from an advertised head, or Mix cannot check it out after its fetch of all heads. One
 * that upstream no longer reaches (a force-push) is therefore advertised as `refs/heads/mirror-server/SHA`.
 * A clone is made under a temporary name and renamed: what has a repository's name is whole.
 */
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "./environment.ts";
import { keepEmptyFolders } from "./empty-folders.ts";
import { runGit, tryGit } from "./run.ts";

export interface RepositoryJob {
  /** What git fetches; may hold credentials, so it is never written down. */
  readonly url: string;
  readonly dir: string;
  /** Under which name to make it before it is renamed to `dir`. */
  readonly temporaryDir: string;
  /** The commits that known locks name. */
  readonly revisions: readonly string[];
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
    const changed = await refresh(job.dir, job, upstream, tools);
    return changed ? "updated" : "unchanged";
  }
  try {
    await mkdir(dirname(job.dir), { recursive: true });
    await runGit(["init", "--quiet", "--bare", "--template=", job.temporaryDir], own(tools));
    // Nothing in it tells where it came from, when it was made or whose machine that was.
    await writeFile(join(job.temporaryDir, "config"), repositoryConfig);
    await refresh(job.temporaryDir, job, upstream, tools);
    await rename(job.temporaryDir, job.dir);
  } finally {
    await rm(job.temporaryDir, { recursive: true, force: true });
  }
  return "added";
}

const repositoryConfig = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/** Brings `dir` to upstream's state. Touches nothing when there is nothing to bring. */
async function refresh(
  dir: string,
  job: RepositoryJob,
  upstream: Advertisement,
  tools: RepositoryTools,
): Promise<boolean> {
  await keepEmptyFolders(dir);
  const before = await readRefs(dir, tools);
  const stale = [...before.keys()].filter((ref) => !ref.startsWith(pins) && !upstream.refs.has(ref));
  const isBehind = [...upstream.refs].some(([ref, id]) => before.get(ref) !== id);
  let changed = false;

  if (stale.length > 0) {
    // Before the fetch: a branch `a` that is gone stands in the way of a new branch `a/b`.
    const commands = stale.map((ref) => `delete ${ref}\n`).join("");
    await runGit(["update-ref", "--stdin"], { ...own(tools, dir), input: commands });
    changed = true;
  }
  if (isBehind) {
    await fetchInto(dir, job.url, ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], tools);
    changed = true;
  }
  for (const revision of job.revisions) {
    if (await pin(dir, job.url, revision, tools)) changed = true;
  }
  if (await setHead(dir, upstream.head, tools)) changed = true;
  if (changed) await tidy(dir, tools);
  return changed;
}

/** Makes sure that `revision` is here and advertised. @returns whether something had to be done */
async function pin(dir: string, url: string, revision: string, tools: RepositoryTools): Promise<boolean> {
  if (!(await hasCommit(dir, revision, tools))) {
    await fetchInto(dir, url, [revision], tools).catch((cause: unknown) => {
      throw new MirrorError("not_found", `upstream does not have the locked commit ${revision}`, { cause });
    });
    if (!(await hasCommit(dir, revision, tools))) {
      throw new MirrorError("not_found", `upstream's ${revision} is no commit`);
    }
  }
  if (await isReachable(dir, revision, tools.environments.own, tools.signal)) return false;
  await runGit(["update-ref", `${pins}${revision}`, revision], own(tools, dir));
  return true;
}

async function hasCommit(dir: string, revision: string, tools: RepositoryTools): Promise<boolean> {
  const { code } = await tryGit(["cat-file", "-e", `${revision}^{commit}`], own(tools, dir));
  return code === 0;
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

async function readRefs(dir: string, tools: RepositoryTools): Promise<Map<string, string>> {
  const format = "%(objectname) %(refname)";
  const text = await runGit(["for-each-ref", `--format=${format}`, "refs/heads/", "refs/tags/"], own(tools, dir));
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => [line.slice(line.indexOf(" ") + 1), line.slice(0, line.indexOf(" "))]));
}

async function fetchInto(dir: string, url: string, refspecs: string[], tools: RepositoryTools): Promise<void> {
  const args = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force"];
  await runGit([...args, "--no-recurse-submodules", "--", url, ...refspecs], {
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
  await runGit(["repack", "-a", "-d", "-q", "--write-bitmap-index"], own(tools, dir));
  await runGit(["commit-graph", "write", "--reachable"], own(tools, dir));
  await runGit(["pack-refs", "--all"], own(tools, dir));
  await keepEmptyFolders(dir);
}

function own(tools: RepositoryTools, cwd?: string) {
  return { env: tools.environments.own, signal: tools.signal, ...(cwd === undefined ? {} : { cwd }) };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
