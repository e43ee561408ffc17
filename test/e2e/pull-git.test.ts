/** Git through a mirror that fetches what it is asked for: real clients, and git's own server as upstream. */
import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream, type GitUpstream } from "../support/git.ts";

let cwd: string;
let work: string;
let upstream: GitUpstream;
let first: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  work = join(cwd, "upstream/owner/repo.git");
  first = await makeRepository(work);
  for (let count = 0; count < 20; count += 1) {
    // What no compression makes small.
    const noise = Array.from({ length: 800 }, (_, n) => createHash("sha256").update(`${count} ${n}`).digest("hex"));
    await commit(work, { [`file-${count}`]: noise.join("\n") }, `commit ${count}`);
  }
  await git(work, ["tag", "-a", "v1", "-m", "one"]);
  await git(work, ["branch", "other", first]);
  upstream = await startGitUpstream(join(cwd, "upstream"));
});

const start = async (...more: string[]): Promise<RunningServer> => {
  const env = { MIRROR_OFFLINE: "false", ...redirectGit({ "https://github.com/": `${upstream.url}/` }) };
  const flags = [
    "--no-tls",
    "--allow-hosts",
    "127.0.0.1",
    "--upstream-timeout",
    "2s",
    "--hex-url",
    "http://127.0.0.1:9",
  ];
  return startServer([...flags, ...more], { cwd, env });
};
const mirrored = () => join(cwd, ".mirror/git/github.com/owner/repo.git");
/** While it is packed well it has none for a moment. */
const kilobytesOfPacks = async () =>
  Number(/size-pack: (\d+)/.exec(await git(mirrored(), ["count-objects", "-v"]))?.[1]);
const clone = async (server: RunningServer, to: string, ...options: string[]) =>
  git(cwd, ["clone", "-q", ...options, `${server.url}/github.com/owner/repo.git`, to]);
const fetches = () => upstream.log.filter((line) => line.startsWith("POST")).length;
const eventually = <T>(look: () => Promise<T>) => expect.poll(look, { timeout: 15_000, interval: 100 });
const refsOf = async (dir: string) => git(cwd, ["--git-dir", dir, "for-each-ref", "--format=%(objectname) %(refname)"]);
const isMirrored = async () =>
  eventually(async () => refsOf(mirrored()).catch(() => "")).toBe(await refsOf(join(work, ".git")));

describe.each(["2", "0"])("by protocol version %s", (version) => {
  test("the first clone passes through, begins the mirror, and crosses the line once", async () => {
    const server = await start();
    await clone(server, "one", "-c", `protocol.version=${version}`);
    expect(await git(join(cwd, "one"), ["rev-parse", "HEAD"])).toBe(await git(work, ["rev-parse", "HEAD"]));
    await isMirrored();
    await expect.poll(kilobytesOfPacks, { timeout: 15_000 }).toBeGreaterThan(100);
    expect(upstream.sent).toBeLessThan((await kilobytesOfPacks()) * 1024 * 1.2);
    const before = fetches();
    await clone(server, "two");
    expect(fetches()).toBe(before);
    await server.stop();
    const offline = await start("--offline");
    await clone(offline, "three");
    expect(await git(join(cwd, "three"), ["rev-parse", "HEAD"])).toBe(await git(work, ["rev-parse", "HEAD"]));
  });
});

test.each([
  ["shallow", ["--depth", "1"]],
  ["filtered", ["--filter=blob:none", "--no-checkout"]],
  ["of one branch", ["--single-branch", "--branch", "other"]],
])("a clone that is %s passes through, and the mirror is whole after it", async (_, options) => {
  const server = await start();
  await clone(server, "one", ...options);
  await isMirrored();
  await clone(server, "two");
  expect(await git(join(cwd, "two"), ["rev-list", "--count", "HEAD"])).toBe("21");
});

test("many clients at once get their clones, and the objects cross the line once", async () => {
  const server = await start();
  await Promise.all(Array.from({ length: 12 }, async (_, n) => clone(server, `clone-${n}`)));
  await isMirrored();
  await expect.poll(kilobytesOfPacks, { timeout: 15_000 }).toBeGreaterThan(100);
  expect(upstream.sent).toBeLessThan((await kilobytesOfPacks()) * 1024 * 1.2);
});

describe("one that is held", () => {
  beforeEach(async () => {
    const server = await start();
    await clone(server, "one");
    await isMirrored();
    await server.stop();
  });

  test("is refreshed when its refs are old, and served as it is while upstream is away", async () => {
    const server = await start("--max-age", "0");
    const newer = await commit(work, { new: "new" }, "newer");
    await clone(server, "two");
    expect(await git(join(cwd, "two"), ["rev-parse", "HEAD"])).toBe(newer);
    await commit(work, { newest: "newest" }, "newest");
    await upstream.off();
    await clone(server, "three");
    expect(await git(join(cwd, "three"), ["rev-parse", "HEAD"])).toBe(newer);
    await upstream.on();
  });

  test("gets a commit that a client asks for by its id and that is not here", async () => {
    const server = await start("--max-age", "1h");
    await git(work, ["checkout", "-q", "--detach"]);
    const hidden = await commit(work, { hidden: "hidden" }, "hidden");
    await git(work, ["checkout", "-q", "main"]);
    await git(cwd, ["init", "-q", "two"]);
    await git(join(cwd, "two"), ["fetch", "-q", `${server.url}/github.com/owner/repo.git`, hidden]);
    expect(await git(join(cwd, "two"), ["cat-file", "-t", hidden])).toBe("commit");
    await server.stop();
    await rm(join(cwd, "two"), { recursive: true });
    const offline = await start("--offline");
    await git(cwd, ["init", "-q", "two"]);
    await git(join(cwd, "two"), ["fetch", "-q", `${offline.url}/github.com/owner/repo.git`, hidden]);
  });
});

test("what is not for everybody is not there, with a sentence, and nobody is asked for a login", async () => {
  upstream.intercept = (_request, response) => {
    response.writeHead(401, { "www-authenticate": "Basic" }).end();
    return true;
  };
  const server = await start();
  const answer = await fetch(`${server.url}/github.com/owner/repo.git/info/refs?service=git-upload-pack`);
  expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining("not for everybody")]);
});

test("a host of this machine or its network is not asked, unless somebody named it", async () => {
  const { hostname, port } = new URL(upstream.url);
  expect(hostname).toBe("127.0.0.1");
  // As a name server could have it: the host is listed, and its address is one of ours.
  const config = join(cwd, "mirror.config.json");
  await writeFile(config, JSON.stringify({ allowHosts: [`localhost`] }));
  const named = await startServer(["--no-tls", "--hex-url", "http://127.0.0.1:9"], {
    cwd,
    env: { MIRROR_OFFLINE: "false", ...redirectGit({ "https://github.com/": `http://localhost:${port}/` }) },
  });
  await clone(named, "one");
  await isMirrored();
  const file = await fetch(`${named.url}/gitlab.com/owner/repo/releases/v1/tool`);
  expect(file.status).not.toBe(200);
});

test("nor by an address that a lock names", async () => {
  await writeFile(join(cwd, "mix.lock"), `%{"repo": {:git, "https://127.0.0.2/owner/repo.git", "${first}", []}}\n`);
  await mkdir(join(cwd, ".mirror/locks"), { recursive: true });
  const entry = { app: "repo", url: "https://127.0.0.2/owner/repo.git", revision: first, options: {} };
  await writeFile(join(cwd, ".mirror/locks/app.json"), JSON.stringify({ hex: [], git: [entry], submodules: [] }));
  const env = { MIRROR_OFFLINE: "false" };
  const server = await startServer(["--no-tls", "--hex-url", "http://127.0.0.1:9", "--pull"], { cwd, env });
  const answer = await fetch(`${server.url}/127.0.0.2/owner/repo.git/info/refs?service=git-upload-pack`);
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining("an address of this machine")]);
  expect((await fetch(`${server.url}/127.0.0.2/any/file`)).status).toBe(403);
});

test("what is not allowed is not asked for", async () => {
  const server = await start("--allow-owners", "somebody");
  const refused = async (path: string) => {
    const answer = await fetch(`${server.url}${path}/info/refs?service=git-upload-pack`);
    return [answer.status, await answer.text()];
  };
  expect(await refused("/github.com/owner/repo.git")).toEqual([404, expect.stringContaining("--allow-owners owner")]);
  expect(await refused("/example.org/owner/repo.git")).toEqual([404, expect.anything()]);
  expect(upstream.log).toEqual([]);
  expect(await readdir(join(cwd, ".mirror/git")).catch(() => [])).toEqual([]);
});

test("while upstream is away nobody is told that it is not there", async () => {
  const server = await start();
  await upstream.off();
  const answer = await fetch(`${server.url}/github.com/owner/repo.git/info/refs?service=git-upload-pack`);
  expect([answer.status, await answer.text()]).toEqual([
    504,
    expect.stringMatching(/127\.0\.0\.1:\d+ cannot be asked/),
  ]);
  await upstream.on();
});
