import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { BareRepository } from "../../src/git/bare-repository.ts";
import { checkCommit } from "../../src/git/check-commit.ts";
import { listSubmodules } from "../../src/git/contents.ts";
import { keepEmptyFolders } from "../../src/git/empty-folders.ts";
import { createGitEnvironments, type GitEnvironments } from "../../src/git/environment.ts";
import { mirrorRepository, type RepositoryJob } from "../../src/git/mirror-repository.ts";
import type { AskUpstream } from "../../src/git/remote-refs.ts";
import { damageObject } from "../support/damage.ts";
import { placeAt, snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, gitEnvironment, makeRepository, startGitUpstream, type GitUpstream } from "../support/git.ts";

const all: RepositoryJob["refs"] = { kind: "all", names: [], defaultBranch: true };
let root: string;
let work: string;
let dir: string;
let upstream: GitUpstream;
let environments: GitEnvironments;
let first: string;

beforeEach(async () => {
  root = await temporaryFolder();
  work = join(root, "upstream", "owner", "repo.git");
  dir = join(root, "mirror", "repo.git");
  first = await makeRepository(work);
  upstream = await startGitUpstream(join(root, "upstream"));
  environments = await createGitEnvironments({ PATH: process.env["PATH"], HOME: root });
  onTestFinished(() => environments.remove());
});

const { signal } = new AbortController();
// Once: when it is worth another try is for upstream/ to say.
const ask: AskUpstream = async (attempt) => attempt({ signal, sign: () => undefined, rest: () => undefined });
const notes: string[] = [];

function mirror(revisions: string[], url = `${upstream.url}/owner/repo.git`, refs: RepositoryJob["refs"] = all) {
  return mirrorRepository(
    { url, place: placeAt(root).at("mirror/repo.git"), revisions, refs },
    { environments, extra: {}, signal, ask, onProgress: () => undefined, note: (text) => notes.push(text) },
  );
}

const open = () => BareRepository.open(placeAt(dir), { environments });
const refs = async () => (await git(dir, ["for-each-ref", "--format=%(refname)"])).split("\n").filter(Boolean);

test("holds upstream's heads and tags, its HEAD, and nothing else", async () => {
  await git(work, ["branch", "dev"]);
  await git(work, ["tag", "-a", "v1", "-m", "one"]);
  await git(work, ["update-ref", "refs/pull/1/head", first]);
  await git(work, ["switch", "-q", "-c", "trunk"]);
  expect(await mirror([first])).toBe("added");
  expect(await refs()).toEqual(["refs/heads/dev", "refs/heads/main", "refs/heads/trunk", "refs/tags/v1"]);
  expect(await git(dir, ["symbolic-ref", "HEAD"])).toBe("refs/heads/trunk");
  expect(await git(dir, ["rev-parse", "v1^{commit}"])).toBe(first);
});

test("writes nothing of where it came from, and no credentials", async () => {
  await mirror([first], upstream.url.replace("://", "://user:sec-ret@") + "/owner/repo.git");
  for (const file of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const content = await readFile(join(file.parentPath, file.name), "latin1");
    expect(content).not.toMatch(/sec-ret|127\.0\.0\.1/);
  }
  expect(await git(dir, ["remote"])).toBe("");
});

test("a second run changes no byte and no mtime, at the cost of one question", async () => {
  await mirror([first]);
  const before = await snapshot(dir);
  upstream.log.length = 0;
  expect(await mirror([first])).toBe("unchanged");
  expect(await snapshot(dir)).toEqual(before);
  expect(upstream.log.filter((line) => line.includes("info/refs"))).toHaveLength(1);
});

test("fetches what is new, drops branches that are gone, follows a renamed default branch", async () => {
  await git(work, ["branch", "a"]);
  await mirror([first]);
  await git(work, ["branch", "-D", "-q", "a"]);
  await git(work, ["branch", "a/b"]);
  const second = await commit(work, { "new.txt": "new\n" }, "second");
  await git(work, ["branch", "-m", "main", "trunk"]);
  expect(await mirror([second])).toBe("updated");
  expect(await refs()).toEqual(["refs/heads/a/b", "refs/heads/trunk"]);
  expect(await git(dir, ["symbolic-ref", "HEAD"])).toBe("refs/heads/trunk");
  expect(await git(dir, ["rev-parse", "trunk"])).toBe(second);
});

test("keeps a locked commit that a force-push took away, advertised so that Mix can check it out", async () => {
  const second = await commit(work, { "b.txt": "b\n" }, "second");
  await mirror([second]);
  await git(work, ["reset", "-q", "--hard", first]);
  const other = await commit(work, { "c.txt": "c\n" }, "other");
  await git(work, ["reflog", "expire", "--expire=now", "--all"]);
  await git(work, ["gc", "-q", "--prune=now"]);
  expect(await mirror([second])).toBe("updated");
  expect(await refs()).toEqual(["refs/heads/main", `refs/heads/mirror-server/${second}`]);
  expect(await git(dir, ["rev-parse", "main"])).toBe(other);
  // And it stays: the pin is not a branch that upstream has deleted.
  expect(await mirror([second])).toBe("unchanged");
  expect(await checkCommit(open(), second)).toEqual({ state: "ok" });
});

test("a commit that cannot be had does not cost another one its pin", async () => {
  const lost = await commit(work, { "b.txt": "b\n" }, "second");
  await mirror([lost]);
  await git(work, ["reset", "-q", "--hard", first]);
  await commit(work, { "c.txt": "c\n" }, "other");
  await git(work, ["reflog", "expire", "--expire=now", "--all"]);
  await git(work, ["gc", "-q", "--prune=now"]);
  await expect(mirror(["1".repeat(40), lost])).rejects.toMatchObject({ code: "not_found" });
  expect(await refs()).toContain(`refs/heads/mirror-server/${lost}`);
});

test("fetches a locked commit that no branch has by its id", async () => {
  const hidden = await commit(work, { "h.txt": "h\n" }, "hidden");
  await git(work, ["reset", "-q", "--hard", first]);
  expect(await mirror([hidden])).toBe("added");
  expect(await refs()).toContain(`refs/heads/mirror-server/${hidden}`);
});

test("a transfer that breaks leaves no commit without its files, and the next run brings them", async () => {
  await mirror([first]);
  const hidden = await commit(work, { "h.bin": randomBytes(300_000).toString("base64") }, "hidden");
  await git(work, ["reset", "-q", "--hard", first]);
  upstream.cutAfter = 100_000;
  await expect(mirror([hidden])).rejects.toMatchObject({ code: "upstream" });
  upstream.cutAfter = undefined;
  expect(await mirror([hidden])).toBe("updated");
  expect(await checkCommit(open(), hidden)).toEqual({ state: "ok" });
});

test("an upstream with a branch that is called like our pins is refreshed all the same", async () => {
  await git(work, ["branch", "mirror-server"]);
  await mirror([first]);
  const second = await commit(work, { "new.txt": "new\n" }, "second");
  expect(await mirror([first, second])).toBe("updated");
  expect(await refs()).toEqual(["refs/heads/main", "refs/heads/mirror-server"]);
});

test("half a commit is not taken for the commit", async () => {
  await mirror([first]);
  const hidden = await commit(work, { "h.txt": "h\n" }, "hidden");
  const text = await git(work, ["cat-file", "commit", hidden]);
  await git(work, ["reset", "-q", "--hard", first]);
  await writeFile(join(root, "commit"), `${text}\n`);
  expect(await git(dir, ["hash-object", "-t", "commit", "-w", join(root, "commit")])).toBe(hidden);
  expect(await mirror([hidden])).toBe("updated");
  expect(await checkCommit(open(), hidden)).toEqual({ state: "ok" });
});

test("an outage in the middle takes away nothing that clients could check out", async () => {
  await git(work, ["switch", "-q", "-c", "dev"]);
  const locked = await commit(work, { "d.txt": "d\n" }, "dev");
  await mirror([locked]);
  await git(work, ["switch", "-q", "main"]);
  await git(work, ["branch", "-q", "-D", "dev"]);
  await commit(work, { "big.bin": randomBytes(300_000).toString("base64") }, "second");
  upstream.cutAfter = 100_000;
  await expect(mirror([locked])).rejects.toMatchObject({ code: "upstream" });
  expect(await checkCommit(open(), locked)).toEqual({ state: "ok" });
  upstream.cutAfter = undefined;
  await git(work, ["update-ref", "refs/heads/dev", locked]);
  // When a branch leads to it again, it needs no pin.
  expect(await mirror([locked])).toBe("updated");
  expect(await refs()).toEqual(["refs/heads/dev", "refs/heads/main"]);
});

test("a repository whose own configuration would act is not touched, and nothing of it runs", async () => {
  await mirror([first]);
  const config = await readFile(join(dir, "config"), "utf8");
  const trap = join(root, "trap");
  await writeFile(join(dir, "config"), `${config}[core]\n\tsshCommand = touch ${trap};\n`);
  await writeFile(join(dir, "config"), `[url "ssh://x/"]\n\tinsteadOf = ${upstream.url}/\n`, { flag: "a" });
  await expect(mirror([first])).rejects.toThrow(/repo\.git is not used, since its config says core\.sshCommand/);
  expect(open).toThrow(/is not used, since its config says core\.sshCommand/);
  await writeFile(join(dir, "config"), config);
  await writeFile(join(dir, "objects/info/alternates"), `${join(work, ".git/objects")}\n`);
  await expect(mirror([first])).rejects.toThrow(/objects\/info\/alternates/);
  await rm(join(dir, "objects/info/alternates"));
  expect(await mirror([first])).toBe("unchanged");
  await expect(readFile(trap)).rejects.toThrow(/ENOENT/);
});

test("what a repository says of networks and remotes leads no fetch astray", async () => {
  await mirror([first]);
  const url = `${upstream.url}/owner/repo.git`;
  const lines = [
    "[http]\n\tproxy = http://127.0.0.1:1\n\textraHeader = nonsense\n",
    `[remote "${url}"]\n\turl = ${upstream.url}/owner/none.git\n\tfetch = +refs/*:refs/stolen/*\n`,
  ];
  await writeFile(join(dir, "config"), lines.join(""), { flag: "a" });
  // As git had remotes before there was a configuration, by a name that has no slash.
  await mkdir(join(dir, "remotes"));
  await writeFile(join(dir, "remotes/origin"), `URL: ${upstream.url}/owner/none.git\n`);
  const second = await commit(work, { "b.txt": "b\n" }, "second");
  expect(await mirror([second])).toBe("updated");
  expect(await refs()).toEqual(["refs/heads/main"]);
  expect(await checkCommit(open(), second)).toEqual({ state: "ok" });
});

test("a shallow mirror is made, deepened and given its history by fetches that go beside it", async () => {
  const second = await commit(work, { "b.txt": "b\n" }, "second");
  const shallow: RepositoryJob["refs"] = { kind: "shallow", names: [], defaultBranch: false };
  expect(await mirror([second], undefined, shallow)).toBe("added");
  expect(await readFile(join(dir, "shallow"), "utf8")).toBe(`${second}\n`);
  expect(await mirror([second], undefined, shallow)).toBe("unchanged");
  expect(await mirror([second])).toBe("updated");
  expect(await readdir(dir)).not.toContain("shallow");
  expect(await git(dir, ["rev-list", "main"])).toBe(`${second}\n${first}`);
  expect(await readdir(join(root, "mirror"))).toEqual(["repo.git"]);
});

test("a locked commit that is nowhere is named; what else there is, is mirrored", async () => {
  const nowhere = "1".repeat(40);
  await expect(mirror([nowhere, first])).rejects.toThrow(`upstream does not have the locked commit ${nowhere}`);
  expect(await readdir(join(root, "mirror"))).toEqual(["repo.git"]);
  expect(await checkCommit(open(), first)).toEqual({ state: "ok" });
});

test("a repository that is not there is an error that says so, and leaves nothing", async () => {
  await expect(mirror([], `${upstream.url}/owner/none.git`)).rejects.toMatchObject({ code: "not_found" });
  await expect(mirror([], "http://127.0.0.1:9/owner/none.git")).rejects.toMatchObject({ code: "upstream" });
  await expect(readdir(join(root, "mirror"))).rejects.toThrow();
});

test("is in good shape for serving: one pack with a bitmap, a commit-graph, packed refs", async () => {
  await mirror([first]);
  await commit(work, { "new.txt": "new\n" }, "second");
  await mirror([first]);
  const packs = await readdir(join(dir, "objects/pack"));
  expect(packs.filter((name) => name.endsWith(".pack"))).toHaveLength(1);
  expect(packs.filter((name) => name.endsWith(".bitmap"))).toHaveLength(1);
  expect(await readdir(join(dir, "objects/info"))).toContain("commit-graph");
  expect(await readFile(join(dir, "packed-refs"), "utf8")).toContain("refs/heads/main");
});

test("a killed git's locks and half packs stand in no one's way", async () => {
  await mirror([first]);
  for (const left of [
    "packed-refs.lock",
    "HEAD.lock",
    "objects/pack/tmp_pack_Xa1b2c",
    "objects/info/commit-graph.lock",
  ]) {
    await writeFile(join(dir, left), "half");
  }
  const second = await commit(work, { "new.txt": "new\n" }, "second");
  await git(work, ["branch", "-m", "main", "trunk"]);
  expect(await mirror([second])).toBe("updated");
  expect((await readdir(dir, { recursive: true })).filter((name) => /lock$|tmp_/.test(name))).toEqual([]);
});

test("survives being committed to git and checked out again", async () => {
  await mirror([first]);
  const outer = join(root, "mirror");
  await git(outer, ["init", "-q"]);
  await git(outer, ["add", "--all"]);
  await git(outer, ["commit", "-q", "-m", "mirror"]);
  const clone = join(root, "clone");
  await git(root, ["clone", "-q", outer, clone]);
  expect(await checkCommit(BareRepository.open(placeAt(join(clone, "repo.git")), { environments }), first)).toEqual({
    state: "ok",
  });
});

test("a hand-made repository that lost its empty folders is mended", async () => {
  await mirror([first]);
  await rm(join(dir, "refs"), { recursive: true });
  await rm(join(dir, "objects/info"), { recursive: true });
  await expect(git(dir, ["rev-parse", "HEAD"])).rejects.toThrow(/not a git repository/);
  await keepEmptyFolders(placeAt(dir));
  expect(await git(dir, ["rev-parse", "HEAD"])).toBe(first);
  await keepEmptyFolders(placeAt(work));
  expect(await readdir(work)).toEqual([".git", "README.md"]);
});

test("checkCommit finds missing commits, broken objects and commits that no head reaches", async () => {
  const second = await commit(work, { "blob.txt": "content that will be damaged\n" }, "second");
  await mirror([second]);
  expect(await checkCommit(open(), "2".repeat(40))).toMatchObject({ state: "missing" });
  // An object that git would happily read: a loose blob under another one's name.
  const blob = await git(dir, ["rev-parse", `${second}:blob.txt`]);
  await damageObject(dir, blob, "something else entirely\n");
  expect(await checkCommit(open(), second)).toMatchObject({ state: "damaged" });
  expect(await checkCommit(open(), first)).toEqual({ state: "ok" });
  await git(dir, ["update-ref", "-d", "refs/heads/main"]);
  expect(await checkCommit(open(), first)).toMatchObject({
    state: "missing",
    reason: expect.stringMatching(/no head/),
  });
});

test("names of refs are bytes, and need be no UTF-8", async () => {
  const names = ["refs/heads/caf\xe9", "refs/heads/caf\xe8/x", "refs/tags/\xff"];
  const input = Buffer.from(names.map((name) => `create ${name} ${first}\n`).join(""), "latin1");
  execFileSync("git", ["update-ref", "--stdin"], { cwd: work, env: gitEnvironment, input });
  expect(await mirror([first])).toBe("added");
  const list = () =>
    execFileSync("git", ["for-each-ref", "--format=%(refname)"], { cwd: dir, env: gitEnvironment }).toString("latin1");
  expect(list()).toBe(`${[names[1], names[0], "refs/heads/main", names[2]].join("\n")}\n`);
  execFileSync("git", ["update-ref", "--stdin"], {
    cwd: dir,
    env: gitEnvironment,
    input: Buffer.from(`update refs/heads/l\xf6se/x ${first}\n`, "latin1"),
  });
  // What only lies loose is looked at as well; and what upstream has no more goes.
  const second = await commit(work, { "b.txt": "b\n" }, "second");
  expect(await mirror([second])).toBe("updated");
  expect(list()).not.toContain("l\xf6se");
  expect(await git(dir, ["rev-parse", "main"])).toBe(second);
});

test("a .gitmodules of upstream's leads to no file of this machine", async () => {
  await writeFile(join(root, "outside.cfg"), '[submodule "x"]\n\turl = https://stolen.example/x\n');
  const gitmodules = `[include]\n\tpath = ${root}/outside.cfg\n[submodule "x"]\n\tpath = x\n`;
  const withSubmodule = async (text: string) => {
    await commit(work, { ".gitmodules": text }, "modules");
    await git(work, ["update-index", "--add", "--cacheinfo", `160000,${first},x`]);
    await git(work, ["commit", "-q", "-m", "a submodule"]);
    return git(work, ["rev-parse", "HEAD"]);
  };
  const revision = await withSubmodule(gitmodules);
  await mirror([revision]);
  expect(await listSubmodules(open(), revision, "https://github.com/owner/repo")).toEqual([]);
  const honest = '[submodule "x"]\n\tpath = x\n\turl = ../x.git ; beside\n';
  const better = await withSubmodule(honest);
  await mirror([better]);
  expect(await listSubmodules(open(), better, "https://github.com/owner/repo")).toEqual([
    { path: "x", url: "https://github.com/owner/x.git", revision: first },
  ]);
});

test("goes on when somebody has tidied up the temporary folders", async () => {
  await mirror([first]);
  await rm(environments.own().cwd, { recursive: true });
  const second = await commit(work, { "b.txt": "b\n" }, "second");
  expect(await mirror([second])).toBe("updated");
  await rm(join(environments.own().cwd, ".."), { recursive: true });
  expect(await mirror([second])).toBe("unchanged");
});
