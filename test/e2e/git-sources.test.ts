/** What a lock can ask of git beyond a plain repository: submodules, less than everything, LFS, local paths. */
import { chmod, mkdir, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream, type GitUpstream } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

let cwd: string;
let upstream: GitUpstream;
let work: string;
let first: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  work = join(cwd, "upstream/owner/repo.git");
  first = await makeRepository(work, { "a.txt": "a\n" });
  upstream = await startGitUpstream(join(cwd, "upstream"));
});

const environment = () => redirectGit({ "https://github.com/": `${upstream.url}/` });
const mirrored = (path: string) => join(cwd, ".mirror/git/github.com", `${path}.git`);
const verify = () => mirrorHere(["verify", "--json"], { cwd });
const refs = async (path: string) =>
  (await git(mirrored(path), ["for-each-ref", "--format=%(refname)"])).split("\n").filter(Boolean);

async function sync(entries: string[], args: string[] = []) {
  await writeFile(join(cwd, "mix.lock"), mixLock([], entries));
  return mirrorHere(["sync", ...args], { cwd, env: environment() });
}
const entry = (revision: string, options = "[]", url = "https://github.com/owner/repo.git") =>
  `"repo": {:git, "${url}", "${revision}", ${options}}`;

describe("submodules", () => {
  test("are mirrored as repositories of their own, recursively, relative URLs too, and checked", async () => {
    const inner = await makeRepository(join(cwd, "upstream/owner/inner.git"), { "inner.txt": "inner\n" });
    const middle = join(cwd, "upstream/other/middle.git");
    await makeRepository(middle);
    const addSubmodule = async (parent: string, path: string, url: string, revision: string) => {
      await writeFile(join(parent, ".gitmodules"), `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`);
      await git(parent, ["update-index", "--add", "--cacheinfo", `160000,${revision},${path}`]);
      await git(parent, ["add", ".gitmodules"]);
      await git(parent, ["commit", "-q", "-m", "submodule"]);
      return git(parent, ["rev-parse", "HEAD"]);
    };
    const middleHead = await addSubmodule(middle, "deps/inner", "../../owner/inner.git", inner);
    const head = await addSubmodule(work, "deps/middle", "https://github.com/other/middle.git", middleHead);

    const { code, stdout } = await sync([entry(head, "[submodules: true]")]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 3,/)]);
    expect(await git(mirrored("owner/inner"), ["rev-parse", inner])).toBe(inner);
    expect(JSON.parse((await verify()).stdout)).toMatchObject({ ok: true, checked: 3 });

    // A client that clones recursively needs nothing else.
    const server = await startServer(["--no-tls"], { cwd });
    const env = redirectGit({ "https://github.com/": `${server.url}/github.com/` });
    await git(cwd, ["clone", "-q", "--recurse-submodules", "https://github.com/owner/repo.git", "clone"], env);
    expect(await readFile(join(cwd, "clone/deps/middle/deps/inner/inner.txt"), "utf8")).toBe("inner\n");

    const before = await snapshot(join(cwd, ".mirror"));
    expect((await sync([entry(head, "[submodules: true]")])).stdout).toMatch(/^added 0, updated 0, unchanged 3/);
    expect(await snapshot(join(cwd, ".mirror"))).toEqual(before);

    await git(mirrored("owner/inner"), ["update-ref", "-d", "refs/heads/main"]);
    expect(JSON.parse((await verify()).stdout)).toMatchObject({
      ok: false,
      missing: [{ item: { kind: "git", host: "github.com", path: "owner/inner", revision: inner } }],
    });
  });

  test("are found although the lock names their parent without them too", async () => {
    const inner = await makeRepository(join(cwd, "upstream/owner/inner.git"));
    const withSubmodule = async (parent: string, url: string, revision: string) => {
      await writeFile(join(parent, ".gitmodules"), `[submodule "x"]\n\tpath = x\n\turl = ${url}\n`);
      await git(parent, ["update-index", "--add", "--cacheinfo", `160000,${revision},x`]);
      await git(parent, ["add", ".gitmodules"]);
      await git(parent, ["commit", "-q", "-m", "submodule"]);
      return git(parent, ["rev-parse", "HEAD"]);
    };
    const middle = join(cwd, "upstream/owner/middle.git");
    await makeRepository(middle);
    const middleHead = await withSubmodule(middle, "../inner.git", inner);
    const head = await withSubmodule(work, "../middle.git", middleHead);
    const plain = `"middle": {:git, "https://github.com/owner/middle.git", "${middleHead}", []}`;
    expect((await sync([plain, entry(head, "[submodules: true]")])).stdout).toMatch(/^added 3,/);
    expect(JSON.parse((await verify()).stdout)).toMatchObject({ ok: true, checked: 3 });
    await rm(mirrored("owner/inner"), { recursive: true });
    expect(JSON.parse((await verify()).stdout)).toMatchObject({
      ok: false,
      missing: [{ item: { path: "owner/inner" } }],
    });
    // A repository in which git would do something else is not asked for them.
    await writeFile(join(mirrored("owner/middle"), "config"), "[core]\n\tsshCommand = x\n", { flag: "a" });
    expect(JSON.parse((await verify()).stdout)).toMatchObject({
      missing: [],
      damaged: [{ item: { path: "owner/middle" }, reason: expect.stringContaining("core.sshCommand") }],
    });
  });

  test("stay known when a later sync fails, so that what they need is kept", async () => {
    const inner = await makeRepository(join(cwd, "upstream/owner/inner.git"));
    await writeFile(join(work, ".gitmodules"), '[submodule "x"]\n\tpath = x\n\turl = ../inner.git\n');
    await git(work, ["update-index", "--add", "--cacheinfo", `160000,${inner},x`]);
    await git(work, ["add", ".gitmodules"]);
    await git(work, ["commit", "-q", "-m", "submodule"]);
    const head = await git(work, ["rev-parse", "HEAD"]);
    await sync([entry(head, "[submodules: true]")], ["--lock-name", "app"]);
    const known = await readFile(join(cwd, ".mirror/locks/app.json"), "utf8");
    expect(known).toContain(inner);
    const offline = redirectGit({ "https://github.com/": "http://127.0.0.1:9/" });
    const failed = await mirrorHere(["sync", "--lock-name", "app"], { cwd, env: offline });
    expect(failed.code).toBe(1);
    const after = JSON.parse(await readFile(join(cwd, ".mirror/locks/app.json"), "utf8")) as object;
    expect(after).toEqual({ ...(JSON.parse(known) as object), incomplete: true });
  });

  test("are left alone where the entry does not ask for them", async () => {
    await writeFile(join(work, ".gitmodules"), '[submodule "x"]\n\tpath = x\n\turl = https://github.com/owner/none\n');
    const head = await commit(work, {}, "modules");
    expect((await sync([entry(head)])).stdout).toMatch(/^added 1,.*failed 0/);
  });
});

describe("--git-refs locked", () => {
  test("keeps the branch that the entry names and the locked commit with its history", async () => {
    await git(work, ["branch", "dev"]);
    await git(work, ["tag", "v1"]);
    const second = await commit(work, { "b.txt": "b" }, "second");
    expect((await sync([entry(first, '[branch: "dev"]')], ["--git-refs", "locked"])).code).toBe(0);
    expect(await refs("owner/repo")).toEqual(["refs/heads/dev"]);
    expect(await git(mirrored("owner/repo"), ["symbolic-ref", "HEAD"])).toBe("refs/heads/dev");
    await expect(git(mirrored("owner/repo"), ["cat-file", "-e", second])).rejects.toThrow(/./);
    expect((await verify()).code).toBe(0);
  });

  test("keeps upstream's default branch where the entry names none, and a pinned commit where it names one", async () => {
    await git(work, ["branch", "dev"]);
    await sync([entry(first)], ["--git-refs", "locked"]);
    expect(await refs("owner/repo")).toEqual(["refs/heads/main"]);
    await sync([entry(first, `[ref: "${first}"]`)], ["--git-refs", "locked"]);
    expect(await refs("owner/repo")).toEqual([`refs/heads/mirror-server/${first}`]);
    await git(cwd, ["clone", "-q", mirrored("owner/repo"), "clone"]);
    expect(await git(join(cwd, "clone"), ["rev-parse", "HEAD"])).toBe(first);
  });
});

describe("--git-shallow", () => {
  const options = '[tag: "v1", sparse: "sub", depth: 1]';

  test("leaves out the history of what every lock asks for with a depth, and status marks it", async () => {
    const second = await commit(work, { "b.txt": "b" }, "second");
    await git(work, ["tag", "v1"]);
    expect((await sync([entry(second, options)], ["--git-shallow"])).code).toBe(0);
    expect(await git(mirrored("owner/repo"), ["rev-list", "--count", "--all"])).toBe("1");
    expect((await verify()).code).toBe(0);
    expect((await sync([entry(second, options)], ["--git-shallow"])).stdout).toMatch(/unchanged 1/);
    const status = await mirrorHere(["status", "--json"], { cwd });
    expect(JSON.parse(status.stdout)).toMatchObject({
      git: [{ host: "github.com", path: "owner/repo", shallow: true, locks: [cwd.split("/").at(-1)] }],
    });
    // As Elixir 1.18 does: the locked commit by its id, with a depth.
    const server = await startServer(["--no-tls"], { cwd });
    await git(cwd, ["init", "-q", "client"]);
    const client = join(cwd, "client");
    await git(client, ["fetch", "-q", "--depth", "1", `${server.url}/owner/repo.git`, second]);
    expect(await git(client, ["rev-parse", "FETCH_HEAD"])).toBe(second);
  });

  test("brings the history back as soon as a lock asks without a depth", async () => {
    const second = await commit(work, { "b.txt": "b" }, "second");
    await git(work, ["tag", "v1"]);
    await sync([entry(second, options)], ["--git-shallow"]);
    expect((await sync([entry(second)], ["--git-shallow"])).code).toBe(0);
    expect(await git(mirrored("owner/repo"), ["rev-parse", "--is-shallow-repository"])).toBe("false");
    expect(await git(mirrored("owner/repo"), ["rev-list", "--count", "main"])).toBe("2");
  });
});

test("files in Git LFS that nobody can be asked for fail, and the repository is here", async () => {
  const head = await commit(
    work,
    {
      ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
      "big.bin": `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 1\n`,
    },
    "lfs",
  );
  const { code, stderr } = await sync([entry(head)]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("there is no LFS server for it (status 404)")]);
  expect(await git(mirrored("owner/repo"), ["cat-file", "-t", head])).toBe("commit");
  expect(await sync([entry(head)], ["--no-lfs"])).toMatchObject({
    code: 0,
    stderr: expect.not.stringContaining("LFS"),
  });
});

test("a flipped bit anywhere in a pack is found by verify and healed by sync", async () => {
  const old = await commit(work, { "a.txt": "b\n" }, "second");
  await sync([entry(old)]);
  const folder = join(mirrored("owner/repo"), "objects/pack");
  const pack = join(folder, (await readdir(folder)).find((name) => name.endsWith(".pack")) ?? "");
  const bytes = await readFile(pack);
  // In the middle: as likely as not in an object of history, which the locked tree does not need.
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  await chmod(pack, 0o644);
  await writeFile(pack, bytes);
  const found = await verify();
  expect([found.code, JSON.parse(found.stdout)]).toMatchObject([
    3,
    { damaged: [{ reason: expect.stringMatching(/pack-.*damaged/) }] },
  ]);
  // Not before upstream has given all of it again.
  const outage = redirectGit({ "https://github.com/": "http://127.0.0.1:9/" });
  const failed = await mirrorHere(["sync"], { cwd, env: outage });
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining("stays as it is until it can be fetched")]);
  expect(await readFile(pack)).toEqual(bytes);
  const healed = await sync([entry(old)]);
  expect([healed.code, healed.stdout]).toEqual([0, expect.stringMatching(/^added 1,/)]);
  expect(healed.stderr).toMatch(/is fetched anew, since the pack .* is damaged/);
  expect((await verify()).code).toBe(0);
});

test("repositories on this machine are refused, and mirrored when that is allowed", async () => {
  const url = `file://${work}`;
  const refused = await sync([entry(first, "[]", url)]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("--allow-local-git allows that")]);
  expect((await sync([entry(first, "[]", url)], ["--allow-local-git"])).code).toBe(0);
  expect((await mirrorHere(["verify", "--allow-local-git"], { cwd })).code).toBe(0);
});

test("what a killed sync left half made looks like nothing, and goes with the next", async () => {
  const half = join(cwd, ".mirror/git/github.com/owner/.repo.git.tmp-0123456789ab");
  await mkdir(join(half, "objects"), { recursive: true });
  await writeFile(join(half, "HEAD"), "ref: refs/heads/main\n");
  // Nothing tells whose it was, so only its age does.
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  await utimes(half, longAgo, longAgo);
  expect((await mirrorHere(["status", "--json"], { cwd })).stdout).toContain('"git": []');
  expect((await sync([entry(first)])).stdout).toMatch(/^added 1,/);
  await expect(readFile(join(half, "HEAD"))).rejects.toThrow(/ENOENT/);
});

test("a host without a dot is not taken for an owner on GitHub", async () => {
  const env = redirectGit({ "https://gitserver/": `${upstream.url}/` });
  await writeFile(join(cwd, "mix.lock"), mixLock([], [entry(first, "[]", "https://gitserver/owner/repo.git")]));
  expect((await mirrorHere(["sync"], { cwd, env })).code).toBe(0);
  const status = JSON.parse((await mirrorHere(["status", "--json"], { cwd })).stdout) as { git: object[] };
  expect(status.git).toMatchObject([{ host: "gitserver", path: "owner/repo" }]);
  const server = await startServer(["--no-tls"], { cwd });
  await git(cwd, ["clone", "-q", `${server.url}/gitserver/owner/repo`, "clone"]);
  const alias = ["-c", "http.extraHeader=Host: gitserver"];
  await git(cwd, [...alias, "clone", "-q", `${server.url}/owner/repo`, "by-alias"]);
  await expect(git(cwd, ["clone", "-q", `${server.url}/github.com/owner/repo`, "none"])).rejects.toThrow(/not found/);
});

test("tokens in URLs that are refused are neither shown nor written down", async () => {
  const { code, stdout, stderr } = await sync([entry(first, "[]", "https://gitlab.com/a/b.git?private_token=s3cret")]);
  expect(code).toBe(1);
  expect(stdout + stderr).not.toContain("s3cret");
  const known = await readFile(join(cwd, `.mirror/locks/${cwd.split("/").at(-1)}.json`), "utf8");
  expect(known).not.toContain("s3cret");
});

test("a commit that only another lock names survives the refresh for this one", async () => {
  const second = await commit(work, { "b.txt": "b" }, "second");
  await mkdir(join(cwd, "other"));
  await writeFile(join(cwd, "other/mix.lock"), mixLock([], [entry(second)]));
  expect((await mirrorHere(["sync", "other"], { cwd, env: environment() })).code).toBe(0);
  await git(work, ["reset", "-q", "--hard", first]);
  const third = await commit(work, { "c.txt": "c" }, "third");
  await git(work, ["reflog", "expire", "--expire=now", "--all"]);
  await git(work, ["gc", "-q", "--prune=now"]);
  expect((await sync([entry(third)])).code).toBe(0);
  expect((await mirrorHere(["verify", "other"], { cwd })).code).toBe(0);
});
