/** The whole job, as a user does it: the built program, a real Hex upstream and real git on loopback. */
import { mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { decodePackage } from "../../src/hex/records.ts";
import { readPublicKey } from "../../src/hex/keys.ts";
import { verifyAndUnwrap, wrap } from "../../src/hex/signed.ts";
import { mirrorServer } from "../support/cli.ts";
import { mirrorHere } from "../support/here.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { etagOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

const tarballs = [alpha, beta];

let cwd: string;
let hex: HexUpstream;
let key: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream(tarballs);
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  await writeFile(join(cwd, "mix.lock"), mixLock(tarballs));
});

const sync = (args: string[] = [], env: Record<string, string> = {}) =>
  mirrorHere(["sync", "--hex-url", hex.url, "--hex-public-key", key, ...args], { cwd, env });
const verify = (args: string[] = []) => mirrorHere(["verify", ...args], { cwd });
const mirror = (path: string) => join(cwd, ".mirror", path);

describe("sync of Hex packages", () => {
  test("fetches what ./mix.lock names, keeps upstream's records, signs a registry of it", async () => {
    const args = ["sync", "--hex-url", hex.url, "--hex-public-key", key];
    const { code, stdout, stderr } = await mirrorServer(args, { cwd });
    expect([code, stderr]).toEqual([0, expect.stringContaining("[2/2] added")]);
    expect(stdout).toMatch(
      /^added 2, updated 0, unchanged 0, failed 0, [\d.]+ kB in [\d.]+ s\nregistry: 2 packages, 2 releases\ntrusts hexpm by the key SHA256:\S+\n  from http:\S+\nsigns its registry with SHA256:\S+\n$/,
    );
    expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(alpha.bytes);
    expect(await readFile(mirror("upstream/hexpm/packages/beta"))).toEqual(hex.files.get("/packages/beta"));
    const ours = readPublicKey(await readFile(mirror("hex/public_key"), "utf8"), "ours");
    const record = decodePackage(verifyAndUnwrap(await readFile(mirror("hex/packages/beta")), ours));
    expect(record.releases.map(({ version }) => version)).toEqual(["2.1.0"]);
    expect(await readdir(mirror("hex/packages"))).toEqual(["alpha", "beta", "gamma"]);
    expect((await stat(mirror("private_key.pem"))).mode & 0o777).toBe(0o600);
    expect(await readFile(mirror(".gitignore"), "utf8")).toContain("private_key.pem");
    expect((await verify()).stdout).toBe(`complete and intact: 2 checked for ${cwd.split("/").at(-1)}\n`);
  });

  test("a second run downloads nothing, and changes no byte and no mtime", async () => {
    await sync();
    const before = await snapshot(join(cwd, ".mirror"));
    hex.log.length = 0;
    const { code, stdout } = await sync();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^added 0, updated 0, unchanged 2, failed 0, 0 B/);
    // Records of optional dependencies, too, since clients ask for those.
    expect(hex.log.sort()).toEqual(["304 /packages/alpha", "304 /packages/beta", "304 /packages/gamma"]);
    expect(await snapshot(join(cwd, ".mirror"))).toEqual(before);
  });

  test("one package that fails does not stop the others; the rest comes with the next run", async () => {
    const bytes = hex.files.get("/tarballs/beta-2.1.0.tar") ?? Buffer.alloc(0);
    hex.files.delete("/tarballs/beta-2.1.0.tar");
    const first = await sync();
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(/failed beta 2\.1\.0: upstream has no .*beta-2\.1\.0\.tar \(status 404\)/);
    expect(first.stdout).toMatch(/added 1, .*failed 1/);
    expect((await verify(["--json"])).code).toBe(3);
    hex.files.set("/tarballs/beta-2.1.0.tar", bytes);
    expect((await sync()).stdout).toMatch(/added 1, updated 0, unchanged 1, failed 0/);
    expect((await verify()).code).toBe(0);
  });

  test.each([
    ["continued where upstream still has the same", etagOf(alpha.bytes), 1],
    ["fetched anew where it has another by then", '"another"', 2],
  ])("a tarball that was cut off on its way is %s", async (_, etag, whole) => {
    let cut = false;
    const bytes = hex.files.get("/tarballs/alpha-1.0.0.tar") ?? Buffer.alloc(0);
    hex.intercept = (request, response) => {
      if (request.url !== "/tarballs/alpha-1.0.0.tar" || cut) return false;
      cut = true;
      response.writeHead(200, { "content-length": bytes.length, etag });
      response.write(bytes.subarray(0, 100), () => response.destroy());
      return true;
    };
    expect((await sync()).code).toBe(0);
    expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(alpha.bytes);
    expect(hex.log.filter((line) => line === "200 /tarballs/alpha-1.0.0.tar")).toHaveLength(whole);
  });

  test("an upstream that fails for a moment is asked again", async () => {
    let failures = 0;
    hex.intercept = (request, response) => {
      if (request.url !== "/packages/alpha" || failures === 2) return false;
      failures += 1;
      response.writeHead(503).end();
      return true;
    };
    expect((await sync()).code).toBe(0);
    expect(failures).toBe(2);
  });

  test("an upstream that is down is told from one that lacks a package", async () => {
    const { code, stderr } = await sync(["--hex-url", "http://127.0.0.1:9"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^127\.0\.0\.1:9 cannot be reached .*: 2 packages not fetched$/m);
  });

  test("several locks and umbrellas go into one mirror, each known by its project's name", async () => {
    await mkdir(join(cwd, "umbrella/apps/inner"), { recursive: true });
    await mkdir(join(cwd, "other"));
    await writeFile(join(cwd, "umbrella/mix.lock"), mixLock([alpha]));
    await writeFile(join(cwd, "umbrella/apps/inner/mix.lock"), mixLock([beta]));
    await writeFile(join(cwd, "other/mix.lock"), mixLock([alpha]));
    const { code, stdout } = await sync(["umbrella", "other/mix.lock"]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 2,/)]);
    expect(await readdir(mirror("locks"))).toEqual(["inner.json", "other.json", "umbrella.json"]);
  });

  test("--dry-run tells what is missing and asks nobody", async () => {
    const { code, stdout } = await sync(["--dry-run"]);
    expect(code).toBe(0);
    expect(stdout).toBe(
      "would fetch alpha 1.0.0\nwould fetch beta 2.1.0\nwould fetch 2, and ask upstream whether 0 changed\n",
    );
    expect(hex.log).toEqual([]);
    await expect(readdir(join(cwd, ".mirror"))).rejects.toThrow();
  });

  test("--json gives the summary to machines", async () => {
    const { stdout } = await sync(["--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ added: 2, failed: [], registry: { packages: 2, releases: 2 } });
  });

  test("a proxy from the environment is used", async () => {
    const asked: string[] = [];
    const proxy = createServer();
    proxy.on("connect", (request, socket) => {
      asked.push(String(request.url));
      const [host = "", port = "80"] = String(request.url).split(":");
      const through = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        through.pipe(socket).pipe(through);
      });
      through.on("error", () => socket.destroy());
      socket.on("error", () => through.destroy());
    });
    proxy.on("request", (request, response) => {
      asked.push(new URL(String(request.url)).host);
      const { headers } = request;
      httpRequest(String(request.url), { headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      }).end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    expect((await sync([], { http_proxy: url })).code).toBe(0);
    expect(asked).toContain(hex.url.slice("http://".length));
    asked.length = 0;
    expect((await sync([], { http_proxy: url, no_proxy: "127.0.0.1" })).code).toBe(0);
    expect(asked).toEqual([]);
    const unusable = await sync([], { http_proxy: "ftp://me:s3cret@127.0.0.1:1080" });
    expect([unusable.code, unusable.stderr]).toEqual([
      2,
      "mirror-server: HTTP_PROXY names no proxy that can be used; give http://HOST:PORT\n",
    ]);
  });
});

describe("nothing is trusted that was not verified", () => {
  const expectRefused = async (message: RegExp) => {
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    await expect(stat(mirror("hex/tarballs/alpha-1.0.0.tar"))).rejects.toThrow();
  };

  test("records that another key signed", async () => {
    await writeFile(key, await readFile(join(await keyOfAnother(), "key.pem")));
    await expectRefused(
      /alpha 1\.0\.0: .*cannot be trusted \(the registry resource is not signed by the expected key\)/,
    );
  });

  test("a rightly signed record of another package", async () => {
    hex.files.set("/packages/alpha", hex.files.get("/packages/beta") ?? Buffer.alloc(0));
    await expectRefused(/signed as package "beta" of repository "hexpm", not "alpha"/);
  });

  test("a tarball that the record does not describe", async () => {
    hex.files.set(
      "/tarballs/alpha-1.0.0.tar",
      makeTarball({ name: "alpha", version: "1.0.0", files: { "x.erl": "evil" } }).bytes,
    );
    await expectRefused(/outer checksum is not the one that the registry signed/);
  });

  test("a record and a tarball that agree, but not with the lock", async () => {
    hex.publish([makeTarball({ name: "alpha", version: "1.0.0", files: { "x.erl": "republished" } }), beta]);
    await expectRefused(/outer checksum is not the one in the lock/);
  });

  test("answers that are no records at all", async () => {
    hex.files.set("/packages/alpha", Buffer.from("what is this"));
    await expectRefused(/cannot be trusted \(not a signed registry resource/);
    hex.files.set("/packages/alpha", Buffer.from("<html>Sign in to the hotel's network</html>"));
    await expectRefused(/a proxy or a portal answered, not 127\.0\.0\.1:\d+/);
  });

  test("a redirect to a host of this machine that nobody named", async () => {
    hex.intercept = (request, response) => {
      if (request.url !== "/packages/alpha") return false;
      response.writeHead(302, { location: "http://localhost:9/alpha?X-Signature=secret" }).end();
      return true;
    };
    await expectRefused(/redirects to localhost, as a portal .* give --allow-hosts localhost/);
  });

  test("a key that lies in the mirror's folder: downloads need the one that was given, or hex.pm's", async () => {
    await sync();
    const { code, stderr } = await mirrorHere(["sync", "--hex-url", hex.url], { cwd });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/this mirror trusts the key SHA256:.* for hexpm, and hex\.pm's own key/),
    ]);
  });

  test("a tarball that was damaged on the disk is found by verify and healed by sync", async () => {
    await sync();
    await writeFile(mirror("hex/tarballs/alpha-1.0.0.tar"), Buffer.from(alpha.bytes).fill(0x20, 600, 610));
    const found = await verify(["--json"]);
    expect(found.code).toBe(3);
    expect(JSON.parse(found.stdout)).toMatchObject({
      ok: false,
      missing: [],
      damaged: [{ item: { kind: "release", repository: "hexpm", name: "alpha", version: "1.0.0" }, app: "alpha" }],
    });
    expect((await sync()).stdout).toMatch(/^added 1, updated 0, unchanged 1/);
    expect((await verify()).code).toBe(0);
  });

  async function keyOfAnother(): Promise<string> {
    const other = await startHexUpstream([]);
    await other.writePublicKey(join(cwd, "key.pem"));
    return cwd;
  }
});

describe("build", () => {
  test("signs what was dropped in by hand", async () => {
    await mkdir(mirror("hex/tarballs"), { recursive: true });
    await writeFile(mirror("hex/tarballs/beta-2.1.0.tar"), beta.bytes);
    const { code, stdout } = await mirrorHere(["build"], { cwd });
    const adopted = "adopted 1 release that no upstream record covers: beta@2.1.0\n";
    expect([code, stdout]).toEqual([0, `${adopted}registry: 1 packages, 1 releases; wrote 5 files\n`]);
    expect((await mirrorHere(["build"], { cwd })).stdout).toBe("registry: 1 packages, 1 releases; wrote 0 files\n");
  });

  test("leaves out what is no tarball, or another one than its name says, and tells", async () => {
    await mkdir(mirror("hex/tarballs"), { recursive: true });
    await writeFile(mirror("hex/tarballs/beta-2.1.0.tar"), "half a tarball");
    await writeFile(mirror("hex/tarballs/other-1.0.0.tar"), beta.bytes);
    const { code, stdout } = await mirrorHere(["build"], { cwd });
    expect(code).toBe(1);
    expect(stdout).toMatch(/left out beta 2\.1\.0: not a Hex tarball|left out beta 2\.1\.0: not a tar file/);
    expect(stdout).toContain("left out other 1.0.0: it holds beta 2.1.0");
  });

  test("never signs with a new key what clients know under another", async () => {
    await sync();
    await rm(mirror("private_key.pem"));
    const refused = await mirrorHere(["build"], { cwd });
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/was signed with a key that is not here.*--new-key/s),
    ]);
    const before = await readFile(mirror("hex/public_key"), "utf8");
    // Nor when only what was signed tells by whom.
    await rm(join(cwd, ".mirror/hex/public_key"));
    expect((await mirrorHere(["build"], { cwd })).stderr).toContain("was signed with a key that is not here");
    expect((await mirrorHere(["build", "--new-key"], { cwd })).code).toBe(0);
    expect(await readFile(mirror("hex/public_key"), "utf8")).not.toBe(before);
  });

  test("refuses a folder of a newer version", async () => {
    await mkdir(mirror(""), { recursive: true });
    await writeFile(mirror("mirror.json"), '{"format": 99, "registryName": "hexpm"}');
    const { code, stderr } = await mirrorHere(["build"], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining("made by a newer mirror-server (format 99")]);
  });

  test("refuses upstream's records in the folder that somebody has changed", async () => {
    await sync();
    const payload = verifyAndUnwrap(hex.files.get("/packages/beta") ?? Buffer.alloc(0), hex.key);
    const forged = await startHexUpstream([]);
    await writeFile(mirror("upstream/hexpm/packages/beta"), await wrap(payload, forged.key));
    const { code, stdout, stderr } = await mirrorHere(["build"], { cwd });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^the records of hexpm here are signed by SHA256:\S+, which is not hex\.pm's own key\n$/),
    ]);
    expect(stdout).toMatch(/left out upstream's record of beta: .*upstream\/hexpm\/packages\/beta cannot be trusted/);
    // What was signed before stays, and the rest of the registry is as it should be.
    expect(stdout).toContain("registry: 2 packages, 2 releases; wrote 0 files");
  });
});

describe("git repositories", () => {
  test("are mirrored by what the lock calls them, checked, and found missing when they are", async () => {
    const upstreamRoot = join(cwd, "upstream");
    const work = join(upstreamRoot, "owner/repo.git");
    const first = await makeRepository(work);
    const { url } = await startGitUpstream(upstreamRoot);
    const env = redirectGit({ "https://github.com/": `${url}/` });
    await writeFile(
      join(cwd, "mix.lock"),
      mixLock([], [`"repo": {:git, "git://github.com/owner/repo.git", "${first}", [branch: "main"]}`]),
    );
    expect(await verify(["--json"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("there is no mirror in"),
    });
    const { code, stdout } = await sync([], env);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 1,/)]);
    expect(await git(mirror("git/github.com/owner/repo.git"), ["rev-parse", "main"])).toBe(first);
    expect((await verify()).code).toBe(0);
    const second = await commit(work, { "b.txt": "b" }, "second");
    await writeFile(
      join(cwd, "mix.lock"),
      mixLock([], [`"repo": {:git, "https://github.com/owner/repo", "${second}", []}`]),
    );
    const missing = JSON.parse((await verify(["--json"])).stdout) as { missing: unknown[] };
    expect(missing.missing).toMatchObject([
      {
        item: { kind: "git", host: "github.com", path: "owner/repo", revision: second },
        app: "repo",
        reason: "the commit is not here",
      },
    ]);
    expect((await sync([], env)).stdout).toMatch(/updated 1/);
    expect((await verify()).code).toBe(0);
  });

  test("credentials in a lock reach neither the mirror nor the output", async () => {
    const revision = "1".repeat(40);
    await writeFile(
      join(cwd, "mix.lock"),
      mixLock([], [`"repo": {:git, "http://me:s3cret@127.0.0.1:9/o/r.git", "${revision}", []}`]),
    );
    const { code, stdout, stderr } = await sync();
    expect(code).toBe(1);
    expect(stdout + stderr).not.toContain("s3cret");
    expect(await readFile(mirror(`locks/${cwd.split("/").at(-1)}.json`), "utf8")).not.toContain("s3cret");
  });
});
