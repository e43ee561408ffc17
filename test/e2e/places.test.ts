/** Where a mirror lies, and what lies in it, as its users have it: linked, mounted, merged, of other makes. */
import { appendFile, cp, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { fixtures, snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";

let cwd: string;
let env: Record<string, string>;
let revision: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  await writeFile(join(cwd, "mix.lock"), lockOf(revision));
});

const lockOf = (id: string) => `%{"repo": {:git, "https://github.com/owner/repo.git", "${id}", []}}`;
const run = (...args: string[]) => mirrorHere(args, { cwd, env });
const repository = (dir = ".mirror") => join(cwd, dir, "git/github.com/owner/repo.git");

describe("a root that is a link", () => {
  test("to a mirror that is one already is the mirror", async () => {
    expect((await run("sync", "--mirror", "disk")).code).toBe(0);
    await symlink("disk", join(cwd, ".mirror"));
    expect((await run("sync")).stdout).toMatch(/^added 0, updated 0, unchanged 1/);
    expect((await run("verify")).code).toBe(0);
    const server = await startServer(["--no-tls"], { cwd });
    expect(await git(cwd, ["ls-remote", `${server.url}/owner/repo`, "main"])).toContain(revision);
  });

  test("may be led to another mirror while it is served", async () => {
    const second = await commit(join(cwd, "upstream/owner/repo.git"), { "b.txt": "b\n" }, "second");
    await run("sync", "--mirror", "one");
    await rm(repository("one"), { recursive: true });
    await run("sync", "--mirror", "two");
    await symlink("one", join(cwd, ".mirror"));
    const server = await startServer(["--no-tls"], { cwd });
    const ask = () => git(cwd, ["ls-remote", `${server.url}/owner/repo`, "main"]);
    await expect(ask()).rejects.toThrow(/is not in this mirror/);
    await symlink("two", join(cwd, "next"));
    await rename(join(cwd, "next"), join(cwd, ".mirror"));
    expect(await ask()).toContain(second);
  });

  test.each([
    ["an empty folder", async (dir: string) => mkdir(dir)],
    ["somebody's own folder", async (dir: string) => cp(join(fixtures, "locks"), dir, { recursive: true })],
    ["nothing", async () => undefined],
  ])("to %s makes no mirror of that", async (_what, make) => {
    await make(join(cwd, "elsewhere"));
    const seen = async () => [await readdir(cwd), await readdir(join(cwd, "elsewhere")).catch(() => "none")];
    await symlink("elsewhere", join(cwd, ".mirror"));
    const before = await seen();
    for (const command of ["sync", "build", "prune", "status", "verify"]) {
      const { code, stderr } = await run(command);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/\.mirror is a link .*--mirror/)]);
    }
    const serving = await run("serve", "--port", "0", "--no-tls");
    expect([serving.code, serving.stderr]).toEqual([1, expect.stringMatching(/\.mirror is a link .*--mirror/)]);
    expect(await seen()).toEqual(before);
  });

  test("the registry and the repositories may each lie elsewhere, as what they are", async () => {
    await run("sync");
    await cp(join(fixtures, "golden/hex"), join(cwd, "registry"), { recursive: true });
    await rename(join(cwd, ".mirror/git"), join(cwd, "repositories"));
    await rm(join(cwd, ".mirror/hex"), { recursive: true });
    await symlink("../registry", join(cwd, ".mirror/hex"));
    await symlink("../repositories", join(cwd, ".mirror/git"));
    const server = await startServer(["--no-tls"], { cwd });
    expect((await fetch(`${server.url}/packages/alder`)).status).toBe(200);
    expect(await git(cwd, ["ls-remote", `${server.url}/owner/repo`, "main"])).toContain(revision);
    await rm(join(cwd, ".mirror/hex"));
    await symlink("../upstream", join(cwd, ".mirror/hex"));
    expect((await fetch(`${server.url}/packages/alder`)).status).toBe(404);
    const { stderr } = await run("build");
    expect(stderr).toMatch(/\.mirror\/hex is a link to .*upstream, which is not a registry yet.* with --hex-dir/);
  });
});

test.each([
  ["a working project", async () => makeRepository(join(cwd, "work"))],
  [
    "a folder of projects",
    async () => {
      await makeRepository(join(cwd, "work/one"));
      await git(cwd, ["clone", "-q", "--bare", "work/one", "work/mine/two.git"]);
    },
  ],
  ["nothing of ours", async () => mkdir(join(cwd, "work"))],
])("the repositories' folder as a link to %s is refused, and all else is served", async (_what, make) => {
  await make();
  await run("build");
  await mkdir(join(cwd, ".mirror"), { recursive: true });
  await symlink("../work", join(cwd, ".mirror/git"));
  const { code, stderr } = await run("sync");
  expect([code, stderr]).toEqual([1, expect.stringMatching(/git is a link to .*work, which is not a folder of bare/)]);
  const server = await startServer(["--no-tls"], { cwd });
  expect((await fetch(`${server.url}/names`)).status).toBe(200);
  const health = (await (await fetch(`${server.url}/health`)).json()) as { status: string; problems: string[] };
  expect(health).toMatchObject({ status: "degraded", problems: ["git is a link, and is not used"] });
  await expect(git(cwd, ["ls-remote", `${server.url}/owner/repo`])).rejects.toThrow(/not in this mirror|its log tells/);
});

test("a lock that a link bars is not taken for one that nobody has", async () => {
  await run("sync", "--lock-name", "one");
  await writeFile(join(cwd, "mix.lock"), "%{}\n");
  await run("sync", "--lock-name", "two", "--package", "none@1.0.0");
  await rename(join(cwd, ".mirror/locks/one.json"), join(cwd, "one.json"));
  await symlink("../../one.json", join(cwd, ".mirror/locks/one.json"));
  const { code, stderr } = await run("prune");
  expect([code, stderr]).toEqual([1, expect.stringContaining("locks/one.json is a link")]);
  expect(await readFile(join(repository(), "HEAD"), "utf8")).toContain("main");
});

test("a key that stands in the same file as the authority's certificate is not handed out", async () => {
  await (await startServer([], { cwd })).stop();
  const certificate = await readFile(join(cwd, "certs/ca.pem"), "utf8");
  await appendFile(join(cwd, "certs/ca.pem"), await readFile(join(cwd, "certs/ca.key"), "utf8"));
  const server = await startServer([], { cwd });
  const answer = await (await fetch(`${server.url}/ca.pem`)).text();
  expect(answer).not.toContain("PRIVATE");
  expect(answer.replaceAll("\r", "").trim()).toBe(certificate.replaceAll("\r", "").trim());
  expect(await readFile(join(cwd, "certs/public/ca.pem"), "utf8")).not.toContain("PRIVATE");
});

test("a merge that swaps a folder of a committed mirror for a link leads nobody out of it", async () => {
  await run("sync");
  const outside = join(cwd, "outside");
  await cp(join(fixtures, "golden/hex"), outside, { recursive: true });
  const before = await snapshot(outside);
  await writeFile(join(cwd, ".gitignore"), "/upstream\n/outside\n/certs\n/.cache\n.lock\n*.pem\n");
  await git(cwd, ["init", "-q", "--initial-branch=main"]);
  await git(cwd, ["add", "--all"]);
  await git(cwd, ["commit", "-q", "-m", "mirror"]);
  await git(cwd, ["switch", "-q", "-c", "evil"]);
  await rm(join(cwd, ".mirror/hex"), { recursive: true });
  await mkdir(join(cwd, ".mirror/hex"));
  await symlink(join(outside, "packages"), join(cwd, ".mirror/hex/packages"));
  await symlink(join(outside, "tarballs"), join(cwd, ".mirror/hex/tarballs"));
  await git(cwd, ["add", "--all"]);
  await git(cwd, ["commit", "-q", "-m", "faster"]);
  await git(cwd, ["switch", "-q", "main"]);
  await git(cwd, ["merge", "-q", "evil"]);
  for (const command of ["sync", "build", "prune"]) {
    const { code, stderr } = await run(command);
    expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining(".mirror/hex/packages is a link")]);
  }
  expect((await run("verify")).stdout).toContain(".mirror/hex/tarballs is a link");
  expect((await run("verify", "--deep")).stderr).toMatch(/\.mirror\/hex\/\w+ is a link/);
  expect(await snapshot(outside)).toEqual(before);
});

test("a repository that is damaged is fetched anew, and the project around it is left alone", async () => {
  await run("sync");
  await git(cwd, ["init", "-q", "--initial-branch=main"]);
  await git(cwd, ["commit", "-q", "--allow-empty", "-m", "mine"]);
  await git(cwd, ["branch", "precious"]);
  const second = await commit(join(cwd, "upstream/owner/repo.git"), { "b.txt": "b\n" }, "second");
  for (const spoil of [
    () => writeFile(join(repository(), "HEAD"), ""),
    () => git(cwd, ["clone", "-q", "--bare", repository(), join(repository(), ".git")]),
    async () => {
      await rename(repository(), join(cwd, "elsewhere.git"));
      await symlink(join(cwd, "elsewhere.git"), repository());
    },
  ]) {
    await spoil();
    expect((await run("verify")).code).toBe(3);
    const { code, stderr } = await run("sync");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/is fetched anew, since .*lies in .*quarantine/)]);
    expect((await run("verify")).code).toBe(0);
  }
  expect(await git(repository(), ["rev-parse", "main"])).toBe(second);
  expect(await git(cwd, ["for-each-ref", "--format=%(refname)"])).toBe("refs/heads/main\nrefs/heads/precious");
});

describe("a repository with settings", () => {
  test("that people and tools leave is served and refreshed", async () => {
    await run("sync");
    const lines = [
      '[remote "origin"]\n\turl = https://example.invalid/x\n\tpushurl = C:\\\\git\\\\x\n\tgh-resolved = base\n',
      "[core]\n\tautocrlf = input\n\tlogAllRefUpdates = false\n[gitlab]\n\tfullpath = owner/repo\n",
      '[http]\n\tproxy = http://127.0.0.1:1\n\tsslVerify = false\n[user]\n\tname = "A; B # C"\n',
      '[branch "a b"]\n\tdescription = "one\\ntwo"\n[uploadpackfilter]\n\tallow = true\n',
    ];
    await appendFile(join(repository(), "config"), lines.join(""));
    const config = await readFile(join(repository(), "config"), "utf8");
    const second = await commit(join(cwd, "upstream/owner/repo.git"), { "b.txt": "b\n" }, "second");
    expect((await run("sync")).stdout).toMatch(/^added 0, updated 1/);
    expect(await readFile(join(repository(), "config"), "utf8")).toBe(config);
    const server = await startServer(["--no-tls"], { cwd });
    expect(await git(cwd, ["ls-remote", `${server.url}/owner/repo`, "main"])).toContain(second);
  });

  test("that are refused is told where one looks: at start, in status, in health, and to the client", async () => {
    await run("sync");
    await git(repository(), ["config", "core.sshCommand", "touch /tmp/never"]);
    const why = "its config says core.sshCommand, which git would act upon";
    const server = await startServer(["--no-tls"], { cwd });
    expect(server.log()).toContain(`a repository is not served, since ${why}`);
    const health = (await (await fetch(`${server.url}/health`)).json()) as { status: string; problems: string[] };
    const problem = `the copy of https://github.com/owner/repo is not served, since ${why}`;
    expect(health).toMatchObject({ status: "degraded", problems: [problem] });
    await expect(git(cwd, ["ls-remote", `${server.url}/owner/repo`])).rejects.toThrow(why);
    const { stdout } = await run("status");
    expect(stdout.replace(/\s+/g, " ")).toContain(`${repository()} is not served, since ${why}`);
    expect(JSON.parse((await run("status", "--json")).stdout)).toMatchObject({
      unused: [`${repository()} is not served, since ${why}`],
    });
  });

  test("that switch serving off is kept, refreshed and not served", async () => {
    await run("sync");
    await git(repository(), ["config", "http.uploadpack", "false"]);
    expect((await run("sync")).code).toBe(0);
    expect((await run("verify", "--deep")).code).toBe(0);
    const server = await startServer(["--no-tls"], { cwd });
    await expect(git(cwd, ["ls-remote", `${server.url}/owner/repo`])).rejects.toThrow(/http\.uploadpack = false/);
  });

  test("that the user has of their own against bare repositories stand in nobody's way", async () => {
    await writeFile(join(cwd, ".gitconfig"), "[safe]\n\tbareRepository = explicit\n");
    expect((await run("sync")).code).toBe(0);
    const second = await commit(join(cwd, "upstream/owner/repo.git"), { "b.txt": "b\n" }, "second");
    await writeFile(join(cwd, "mix.lock"), lockOf(second));
    expect((await run("sync")).stdout).toMatch(/^added 0, updated 1/);
    expect((await run("verify", "--deep")).code).toBe(0);
  });
});

test("links are told by health as where they lie in the mirror, not on the disk", async () => {
  await run("sync");
  await symlink("/", join(cwd, ".mirror/files"));
  const server = await startServer(["--no-tls"], { cwd });
  const health = (await (await fetch(`${server.url}/health`)).json()) as { status: string; problems: string[] };
  expect(health).toMatchObject({ status: "degraded", problems: ["files is a link, and is not used"] });
});

test("prune leaves alone what is called like ours and is not", async () => {
  await run("sync");
  await mkdir(join(cwd, ".mirror/git/github.com/notes.git"), { recursive: true });
  await writeFile(join(cwd, ".mirror/git/github.com/notes.git/thesis.txt"), "precious");
  await mkdir(join(cwd, ".mirror/hex/packages"), { recursive: true });
  await writeFile(join(cwd, ".mirror/hex/packages/thesis.txt"), "precious");
  const { code, stdout } = await run("prune");
  expect([code, stdout]).toEqual([0, expect.stringContaining("notes.git is no bare repository")]);
  expect((await run("build")).code).toBe(0);
  expect(await readFile(join(cwd, ".mirror/git/github.com/notes.git/thesis.txt"), "utf8")).toBe("precious");
  expect(await readFile(join(cwd, ".mirror/hex/packages/thesis.txt"), "utf8")).toBe("precious");
});
