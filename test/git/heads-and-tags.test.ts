/** What HEAD names in a mirror, and locks that name an annotated tag by its own id: as clients need them. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { BareRepository } from "../../src/git/bare-repository.ts";
import { checkCommit } from "../../src/git/check-commit.ts";
import { listSubmodules } from "../../src/git/contents.ts";
import { createGitEnvironments, type GitEnvironments } from "../../src/git/environment.ts";
import { mirrorRepository, type RepositoryJob } from "../../src/git/mirror-repository.ts";
import { placeAt, snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, startGitUpstream, type GitUpstream } from "../support/git.ts";

const all: RepositoryJob["refs"] = { kind: "all", names: [], defaultBranch: true };
const defaultOnly: RepositoryJob["refs"] = { kind: "locked", names: [], defaultBranch: true };
let root: string;
let work: string;
let dir: string;
let upstream: GitUpstream;
let environments: GitEnvironments;
let first: string;
let second: string;

beforeEach(async () => {
  root = await temporaryFolder();
  work = join(root, "upstream/o/r.git");
  dir = join(root, "mirror/r.git");
  first = await makeRepository(work);
  second = await commit(work, { "b.txt": "b\n" }, "second");
  upstream = await startGitUpstream(join(root, "upstream"));
  environments = await createGitEnvironments({ PATH: process.env["PATH"], HOME: root });
  onTestFinished(() => environments.remove());
});

const mirror = async (revisions: string[], refs = all) => {
  const { signal } = new AbortController();
  const url = `${upstream.url}/o/r.git`;
  return mirrorRepository(
    { url, place: placeAt(root).at("mirror/r.git"), revisions, refs },
    {
      environments,
      extra: {},
      signal,
      ask: async (attempt) => attempt({ signal, sign: () => undefined, rest: () => undefined }),
      onProgress: () => undefined,
      note: () => undefined,
    },
  );
};
const open = () => BareRepository.open(placeAt(dir), { environments });
const headHere = async () => git(dir, ["symbolic-ref", "HEAD"]);
const refsHere = async () => (await git(dir, ["for-each-ref", "--format=%(refname)"])).split("\n");

describe("a detached HEAD of upstream's", () => {
  test.each([all, defaultOnly])("at a branch's commit is that branch here ($kind)", async (refs) => {
    await git(work, ["branch", "other", first]);
    await git(work, ["checkout", "-q", "--detach", second]);
    await mirror([second], refs);
    expect(await headHere()).toBe("refs/heads/main");
    expect(await mirror([second], refs)).toBe("unchanged");
  });

  test.each([
    ["within a branch", async () => first],
    [
      "on none",
      async () => {
        await git(work, ["checkout", "-q", "--detach"]);
        return commit(work, { "c.txt": "c\n" }, "detached");
      },
    ],
  ])("%s is a pin here, and a clone has its files", async (_, make) => {
    const at = await make();
    await git(work, ["checkout", "-q", "--detach", at]);
    await mirror([second]);
    expect(await headHere()).toBe(`refs/heads/mirror-server/${at}`);
    await git(root, ["clone", "-q", dir, "clone"]);
    expect(await git(join(root, "clone"), ["rev-parse", "HEAD"])).toBe(at);
    expect(await readdir(join(root, "clone"))).toContain("README.md");
    // As Mix resolves it where a lock's entry names no ref.
    expect(await git(join(root, "clone"), ["rev-parse", "origin/HEAD"])).toBe(at);
    const before = await snapshot(dir);
    expect(await mirror([second])).toBe("unchanged");
    expect(await snapshot(dir)).toEqual(before);
  });

  test("that moves, and becomes a branch again, is followed; what no longer needs its pin loses it", async () => {
    await git(work, ["checkout", "-q", "--detach", first]);
    await mirror([second]);
    const third = await commit(work, { "d.txt": "d\n" }, "third");
    expect(await mirror([second])).toBe("updated");
    expect(await headHere()).toBe(`refs/heads/mirror-server/${third}`);
    expect(await refsHere()).toEqual(["refs/heads/main", `refs/heads/mirror-server/${third}`]);
    await git(work, ["checkout", "-q", "main"]);
    expect(await mirror([second])).toBe("updated");
    expect(await headHere()).toBe("refs/heads/main");
  });

  test("costs a mirror of what locks name nothing where no lock asks for it", async () => {
    await git(work, ["checkout", "-q", "--detach", first]);
    await mirror([second], { kind: "locked", names: ["refs/heads/main"], defaultBranch: false });
    expect(await refsHere()).toEqual(["refs/heads/main"]);
    expect(await headHere()).toBe("refs/heads/main");
  });
});

describe("an annotated tag that a lock names by its own id", () => {
  let tag: string;

  beforeEach(async () => {
    await git(work, ["tag", "-a", "v1", "-m", "one", first]);
    tag = await git(work, ["rev-parse", "v1"]);
  });

  /** As Mix before 1.17 does it, and as 1.18 and later. */
  async function checkOut(how: readonly string[]): Promise<string> {
    const client = join(await temporaryFolder(), "client");
    await git(root, ["init", "-q", client]);
    await git(client, ["remote", "add", "origin", dir]);
    await git(client, ["fetch", "-q", "--force", ...how]);
    await git(client, ["checkout", "-q", tag]);
    return git(client, ["rev-parse", "HEAD"]);
  }

  test("can be checked out, and needs no pin while upstream has it", async () => {
    await mirror([tag]);
    expect(await refsHere()).toEqual(["refs/heads/main", "refs/tags/v1"]);
    expect(await checkCommit(open(), tag)).toEqual({ state: "ok" });
    expect(await mirror([tag])).toBe("unchanged");
    expect(await checkOut(["--tags", "origin"])).toBe(first);
    await git(dir, ["config", "uploadpack.allowAnySHA1InWant", "true"]);
    expect(await checkOut(["origin", tag])).toBe(first);
  });

  test("stays when upstream has moved it, and its commit when no branch leads there any more", async () => {
    await mirror([tag]);
    await git(work, ["tag", "-d", "v1"]);
    await git(work, ["checkout", "-q", "--orphan", "anew"]);
    await git(work, ["commit", "-q", "--message", "anew"]);
    await git(work, ["branch", "-q", "-D", "main"]);
    await git(work, ["branch", "-m", "main"]);
    await git(work, ["reflog", "expire", "--expire=now", "--all"]);
    await git(work, ["gc", "-q", "--prune=now"]);
    expect(await mirror([tag])).toBe("updated");
    expect(await refsHere()).toEqual([
      "refs/heads/main",
      `refs/heads/mirror-server/${first}`,
      `refs/tags/mirror-server/${tag}`,
    ]);
    expect(await checkCommit(open(), tag)).toEqual({ state: "ok" });
    expect(await mirror([tag])).toBe("unchanged");
    expect(await checkOut(["--tags", "origin"])).toBe(first);
  });

  test("is fetched by its id where only what locks name is mirrored", async () => {
    await mirror([tag], defaultOnly);
    expect(await refsHere()).toEqual(["refs/heads/main", `refs/tags/mirror-server/${tag}`]);
    expect(await checkCommit(open(), tag)).toEqual({ state: "ok" });
    expect(await checkOut(["--tags", "origin"])).toBe(first);
  });

  test("of which no tag is advertised is found missing by verify", async () => {
    await mirror([tag]);
    await git(dir, ["update-ref", "-d", "refs/tags/v1"]);
    expect(await checkCommit(open(), tag)).toMatchObject({ state: "missing", reason: expect.stringMatching(/no tag/) });
  });
});

test("a submodule that the project itself says is not to be fetched is none", async () => {
  const modules = ["a", "b", "c"].map((name) => `[submodule "${name}"]\n\tpath = ${name}\n\turl = ../${name}.git\n`);
  const text = `${modules[0]}\tupdate = none\n${modules[1]}\tupdate = rebase\n${modules[2]}`;
  await commit(work, { ".gitmodules": text }, "modules");
  for (const name of ["a", "b", "c"]) {
    await git(work, ["update-index", "--add", "--cacheinfo", `160000,${first},${name}`]);
  }
  await git(work, ["commit", "-q", "-m", "submodules"]);
  const revision = await git(work, ["rev-parse", "HEAD"]);
  await mirror([revision]);
  const found = await listSubmodules(open(), revision, "https://github.com/o/r");
  expect(found.map(({ path }) => path)).toEqual(["b", "c"]);
});
