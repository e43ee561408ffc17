/** Git LFS: what locked commits point to comes with them, is checked, and is served to the real client. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { startServer } from "../support/cli.ts";
import { isInstalled } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mirrorHere } from "../support/here.ts";
import { serveLfs, type LfsUpstream } from "../support/lfs-upstream.ts";

const run = promisify(execFile);
const model = Buffer.from("a large model ".repeat(5000));
const oid = createHash("sha256").update(model).digest("hex");
const pointer = (content: Buffer) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${createHash("sha256").update(content).digest("hex")}\nsize ${content.length}\n`;

let cwd: string;
let lfs: LfsUpstream;
let revision: string;
let env: Record<string, string>;

beforeEach(async () => {
  cwd = await temporaryFolder();
  revision = await makeRepository(join(cwd, "upstream/owner/model.git"), {
    ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
    "model.bin": pointer(model),
    README: "small\n",
  });
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  lfs = serveLfs(upstream, [model]);
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  await mkdir(join(cwd, "app"));
  await lock(revision);
});

const lock = async (id: string) =>
  writeFile(join(cwd, "app/mix.lock"), `%{"model": {:git, "https://github.com/owner/model.git", "${id}", []}}\n`);
const here = async (...args: string[]) => mirrorHere(args, { cwd, env });
const place = () =>
  join(cwd, `.mirror/git/github.com/owner/model.git/lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`);

describe("sync", () => {
  test("brings what the files of locked commits point to, and asks for it once", async () => {
    const { code, stderr } = await here("sync", "app");
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("not mirrored")]);
    expect(await readFile(place())).toEqual(model);
    expect(lfs.asked).toEqual([oid]);
    expect((await here("sync", "app")).stdout).toMatch(/^added 0, updated 0, unchanged 1/);
    expect(lfs.asked).toEqual([oid]);
    expect(await here("verify")).toMatchObject({ code: 0, stdout: expect.stringContaining("2 checked") });
  });

  test("brings what is missing or damaged again, and verify tells it before", async () => {
    await here("sync", "app");
    await writeFile(place(), Buffer.from(model).fill("x", 0, 1));
    expect(await here("verify")).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/damaged https:\/\/github.com\/owner\/model \w{12}… of Git LFS/),
    });
    expect((await here("sync", "app")).stdout).toMatch(/^added 0, updated 1/);
    await rm(place());
    expect(await here("verify")).toMatchObject({ code: 3, stdout: expect.stringMatching(/missing .* of Git LFS/) });
    expect((await here("sync", "app")).stdout).toMatch(/^added 0, updated 1/);
    expect(await readFile(place())).toEqual(model);
  });

  test("takes nothing else for it", async () => {
    lfs.objects.set(oid, Buffer.from(model).fill("x", 0, 1));
    const { code, stderr } = await here("sync", "app");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/upstream sent another file than/)]);
    await expect(readFile(place())).rejects.toThrow();
  });

  test("brings what it can, and says what it cannot", async () => {
    const other = Buffer.from("not at the server");
    await lock(await commit(join(cwd, "upstream/owner/model.git"), { "other.bin": pointer(other) }, "other"));
    const { code, stderr } = await here("sync", "app");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/does not have .*no such object; --no-lfs/)]);
    expect(await readFile(place())).toEqual(model);
    lfs.objects.set(createHash("sha256").update(other).digest("hex"), other);
    expect((await here("sync", "app", "--if-changed")).stdout).toMatch(/updated 1/);
    expect(await here("verify")).toMatchObject({ code: 0 });
    await rm(place());
    expect((await here("sync", "app", "--if-changed")).stdout).toMatch(/updated 1/);
  });

  test("asks whom the commit's .lfsconfig names, and tells what clients have to be told then", async () => {
    const other = await startGitUpstream(join(cwd, "upstream"));
    const elsewhere = serveLfs(other, [model]);
    await lock(
      await commit(
        join(cwd, "upstream/owner/model.git"),
        { ".lfsconfig": `[lfs]\n\turl = ${other.url}/x.git/info/lfs\n` },
        "x",
      ),
    );
    expect((await here("sync", "app")).stderr).toContain("is an address of this machine or its network");
    const { code, stderr } = await here("sync", "app", "--allow-hosts", "127.0.0.1,github.com");
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /\.lfsconfig sends clients to .*set lfs\.url to https:\/\/github\.com\/owner\/model\.git\/info\/lfs/,
      ),
    ]);
    expect([lfs.asked, elsewhere.asked]).toEqual([[], [oid]]);
  });

  test("logs in as git does", async () => {
    lfs.login = "me:secret";
    expect((await here("sync", "app")).stderr).toContain("its LFS server wants a login");
    const helper = '!f() { test "$1" = get && echo username=me && echo password=secret; }; f';
    await writeFile(join(cwd, ".gitconfig"), `[credential]\n\thelper = "${helper.replaceAll('"', '\\"')}"\n`);
    expect(await here("sync", "app")).toMatchObject({ code: 0 });
    expect(await readFile(place())).toEqual(model);
  });
});

describe("serve", () => {
  const batch = async (url: string, body: unknown) =>
    fetch(`${url}/github.com/owner/model.git/info/lfs/objects/batch`, { method: "POST", body: JSON.stringify(body) });
  const object = { oid, size: model.length };

  test("answers the batch API: what is here with its place, what is not in words", async () => {
    await here("sync", "app");
    const server = await startServer(["--no-tls"], { cwd });
    const absent = { oid: "0".repeat(64), size: 1 };
    const answer = await batch(server.url, {
      operation: "download",
      objects: [object, absent, { oid: "../x", size: 1 }],
    });
    expect(answer.headers.get("content-type")).toContain("application/vnd.git-lfs+json");
    const { transfer, objects } = (await answer.json()) as { transfer: string; objects: unknown[] };
    const href = `${server.url}/github.com/owner/model.git/info/lfs/objects/${oid}`;
    expect([transfer, ...objects]).toEqual([
      "basic",
      { ...object, actions: { download: { href } } },
      { ...absent, error: { code: 404, message: expect.stringContaining("is not in this mirror") } },
      { oid: "../x", size: 1, error: { code: 404, message: expect.stringContaining("is not in this mirror") } },
    ]);
    expect(Buffer.from(await (await fetch(href)).arrayBuffer())).toEqual(model);
    const part = await fetch(href, { headers: { range: "bytes=2-6" } });
    expect([part.status, await part.text()]).toEqual([206, "large"]);
  });

  test.each([
    ["an upload", { operation: "upload", objects: [object] }, 403, /read-only mirror/],
    ["another digest", { operation: "download", hash_algo: "sha512", objects: [] }, 400, /by their SHA-256/],
    ["what is none", [], 400, /no request of Git LFS/],
  ])("refuses %s in words that git-lfs shows", async (_what, body, status, message) => {
    await here("sync", "app");
    const answer = await batch((await startServer(["--no-tls"], { cwd })).url, body);
    expect([answer.status, await answer.json()]).toEqual([status, { message: expect.stringMatching(message) }]);
  });

  test("gives nothing of a repository that its owner does not want served", async () => {
    await here("sync", "app");
    const repository = join(cwd, ".mirror/git/github.com/owner/model.git");
    await writeFile(join(repository, "config"), "[core]\n\tbare = true\n[http]\n\tuploadpack = false\n");
    const server = await startServer(["--no-tls"], { cwd });
    const answer = await batch(server.url, { operation: "download", objects: [object] });
    expect([answer.status, await answer.json()]).toEqual([403, { message: expect.stringContaining("does not serve") }]);
    const asked = await fetch(`${server.url}/github.com/owner/model.git/info/lfs/objects/${oid}`);
    expect(asked.status).toBe(403);
  });

  test("gives it to git-lfs, which clones and checks out", async ({ skip }) => {
    skip(!isInstalled("git-lfs"), "git-lfs is not installed");
    await here("sync", "app");
    const server = await startServer(["--port", "0", "--no-tls", "--offline"], { cwd });
    const settings = redirectGit({ "https://github.com/": `${server.url}/github.com/` });
    // It writes there: never what the other tests name, which is no file of theirs.
    const own = { HOME: cwd, GIT_CONFIG_GLOBAL: join(cwd, "clients.gitconfig"), PATH: process.env["PATH"] ?? "" };
    const options = { cwd, env: { ...gitEnvironment, ...settings, ...own } };
    await run("git", ["lfs", "install"], options);
    await run("git", ["clone", "-q", "https://github.com/owner/model.git", "clone"], options);
    expect(await readFile(join(cwd, "clone/model.bin"))).toEqual(model);
    await writeFile(join(cwd, "clone/other.bin"), "another");
    await run("git", ["-C", "clone", "add", "."], options);
    await run("git", ["-C", "clone", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "more"], options);
    const pushed = await run("git", ["-C", "clone", "lfs", "push", "origin", "--all"], options).catch(
      (error: unknown) => error as { stderr: string },
    );
    expect(pushed.stderr).toMatch(/read-only mirror/);
  });
});
