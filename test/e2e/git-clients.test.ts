/** git itself, over HTTP and HTTPS, in every protocol version and every kind of clone. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository } from "../support/git.ts";

let cwd: string;
let server: RunningServer;
let first: string;
let second: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  first = await makeRepository(join(cwd, "work"), { "a.txt": "a\n", "sub/b.txt": "b\n" });
  await git(join(cwd, "work"), ["tag", "-a", "v1", "-m", "one"]);
  second = await commit(join(cwd, "work"), { "c.txt": "c\n" }, "second");
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
  server = await startServer([], { cwd });
});

const clone = (...args: string[]) => git(cwd, ["clone", "-q", ...args, `${server.url}/owner/repo`, "clone"]);
const inClone = (...args: string[]) => git(join(cwd, "clone"), args);

describe.each(["0", "1", "2"])("protocol %s", (version) => {
  const protocol = ["-c", `protocol.version=${version}`];

  test("full clone, fetch of what is new, and fsck", async () => {
    await clone(...protocol);
    expect(await inClone("rev-parse", "HEAD")).toBe(second);
    expect(await inClone("tag")).toBe("v1");
    const third = await commit(join(cwd, "work"), { "d.txt": "d\n" }, "third");
    await git(join(cwd, "work"), ["push", "-q", join(cwd, ".mirror/git/github.com/owner/repo.git"), "main"]);
    await inClone("fetch", "-q");
    expect(await inClone("rev-parse", "origin/main")).toBe(third);
    await inClone("fsck", "--strict");
  });

  test("shallow, deepened, unshallowed", async () => {
    await clone(...protocol, "--depth", "1");
    expect(await inClone("rev-list", "--count", "HEAD")).toBe("1");
    await inClone("fetch", "-q", "--deepen", "1");
    expect(await inClone("rev-list", "--count", "HEAD")).toBe("2");
    await inClone("fetch", "-q", "--unshallow");
    expect(await inClone("rev-parse", "--is-shallow-repository")).toBe("false");
  });

  test("partial, without blobs", async () => {
    await clone(...protocol, "--filter=blob:none", "--no-checkout");
    expect(await inClone("rev-list", "--objects", "--missing=print", "HEAD")).toMatch(/^\?[0-9a-f]{40}$/m);
    await inClone("checkout", "-q");
    expect(await readFile(join(cwd, "clone/sub/b.txt"), "utf8")).toBe("b\n");
  });

  test("a commit by its id", async () => {
    await git(cwd, ["init", "-q", "clone"]);
    await inClone(...protocol, "fetch", "-q", "--depth", "1", `${server.url}/owner/repo.git`, first);
    expect(await inClone("rev-parse", "FETCH_HEAD")).toBe(first);
  });
});

test("HTTPS with the local authority trusted, and not without", async () => {
  const url = `https://localhost:${server.tlsPort}/github.com/owner/repo.git`;
  const env = { GIT_SSL_CAINFO: join(cwd, "certs/ca.pem") };
  await git(cwd, ["clone", "-q", url, "trusted"], env);
  expect(await git(join(cwd, "trusted"), ["rev-parse", "HEAD"])).toBe(second);
  await expect(git(cwd, ["clone", "-q", url, "untrusted"])).rejects.toThrow(/certificate/);
});

test("https://github.com itself, name verified, when its address is the mirror", async () => {
  const env = {
    GIT_SSL_CAINFO: join(cwd, "certs/ca.pem"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "http.curloptResolve",
    GIT_CONFIG_VALUE_0: `github.com:${server.tlsPort}:127.0.0.1`,
  };
  await git(cwd, ["clone", "-q", `https://github.com:${server.tlsPort}/Owner/Repo`, "clone"], env);
  expect(await inClone("rev-parse", "HEAD")).toBe(second);
});

test("a push is refused with a sentence that git shows", async () => {
  await clone();
  await expect(inClone("push", "origin", "HEAD:refs/heads/mine")).rejects.toThrow(
    /remote: this is a read-only mirror: push to https:\/\/github\.com\/owner\/repo itself, not here\./,
  );
});

test("a repository that is not here is named, with what to do", async () => {
  await expect(git(cwd, ["clone", "-q", `${server.url}/nobody/nothing`])).rejects.toThrow(
    /remote: https:\/\/github\.com\/nobody\/nothing is not in this mirror\. Online, run the same command in "mirror-server exec --pull --"/,
  );
});

test("a request too large for one buffer: git probes first, then sends it in chunks", async () => {
  await clone();
  // Many commits that the server does not know make the client's request long.
  const noise = createHash("shake256", { outputLength: 4 * 1024 * 1024 })
    .update("noise")
    .digest("hex");
  await commit(join(cwd, "work"), { "noise.txt": noise }, "large");
  await git(join(cwd, "work"), ["push", "-q", join(cwd, ".mirror/git/github.com/owner/repo.git"), "main"]);
  await inClone("-c", "http.postBuffer=65536", "-c", "protocol.version=0", "fetch", "-q");
  expect(await inClone("rev-parse", "origin/main")).toBe(await git(join(cwd, "work"), ["rev-parse", "HEAD"]));
});
