/** What a mirror trusts is written in it, and who it is is proved: keys, files that were merely found, impostors. */
import { createHash, createHmac } from "node:crypto";
import { chmod, cp, mkdir, readFile, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { fingerprint } from "../../src/hex/keys.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { startFileUpstream } from "../support/file-upstream.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { alpha, beta, lockEntry, mixLock } from "../support/tarballs.ts";

let cwd: string;
let hex: HexUpstream;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  await hex.writePublicKey(join(cwd, "upstream.pem"));
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
});

/** What passes its environment on is a program of its own. */
const programs = new Set(["exec", "env"]);
const run = (args: readonly string[], env: Record<string, string> = {}, folder = cwd) =>
  (programs.has(args[0] ?? "") ? mirrorServer : mirrorHere)(args, { cwd: folder, env });
const sync = (...args: string[]) => run(["sync", "--hex-url", hex.url, "--hex-public-key", "upstream.pem", ...args]);
const mirror = (path: string) => join(cwd, ".mirror", path);
const readJson = async (path: string) => JSON.parse(await readFile(mirror(path), "utf8")) as Record<string, unknown>;

/** Another upstream with the same packages and a key of its own. */
async function another(): Promise<string[]> {
  const other = await startHexUpstream([alpha, beta]);
  await other.writePublicKey(join(cwd, "other.pem"));
  return ["--hex-url", other.url, "--hex-public-key", "other.pem"];
}

describe("upstream's URL and key", () => {
  test("are recorded with the first record that was verified, and shown", async () => {
    const { stdout } = await sync();
    const key = fingerprint(hex.key);
    expect(stdout).toContain(`trusts hexpm by the key ${key}\n  from ${hex.url}\n`);
    expect(await readJson("mirror.json")).toMatchObject({ upstreams: { hexpm: { url: hex.url, key } } });
    expect((await run(["status"])).stdout).toContain(`trusts hexpm by the key ${key}\n  from ${hex.url}\n`);
    const { url } = await startServer(["--no-tls"], { cwd });
    const { fingerprints } = (await (await fetch(`${url}/health`)).json()) as { fingerprints: unknown };
    expect(fingerprints).toEqual({
      registry: expect.stringMatching(/^SHA256:/) as string,
      upstreams: { hexpm: { url: hex.url, key } },
    });
  });

  test("another key is refused, whatever names it, until a person says so", async () => {
    await sync();
    const other = await another();
    const before = await snapshot(mirror(""));
    const { code, stderr } = await run(["sync", ...other]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/this mirror trusts the key SHA256:.*--new-upstream-key/),
    ]);
    expect(await snapshot(mirror(""))).toEqual(before);
    expect((await run(["build", "--hex-public-key", "other.pem"])).code).toBe(2);
    const taken = await run(["sync", ...other, "--new-upstream-key"]);
    expect([taken.code, taken.stderr]).toEqual([
      0,
      expect.stringMatching(/hexpm is trusted by the key SHA256:\S+ from now on/),
    ]);
    expect((await run(["sync", ...other])).code).toBe(0);
    expect((await sync()).code).toBe(2);
  });

  test("a mirror of before has its key in `upstream/`, which is taken over, and its registry's key stays", async () => {
    await sync();
    const { upstreams, ...old } = await readJson("mirror.json");
    expect(upstreams).toBeDefined();
    await writeFile(mirror("mirror.json"), `${JSON.stringify(old, null, 2)}\n`);
    await rm(mirror("history"), { recursive: true });
    const keys = await Promise.all(["hex/public_key", "private_key.pem"].map((path) => readFile(mirror(path), "utf8")));
    expect((await run(["sync", ...(await another())])).code).toBe(2);
    expect((await sync()).code).toBe(0);
    expect(await readJson("mirror.json")).toMatchObject({ upstreams });
    expect(
      await Promise.all(["hex/public_key", "private_key.pem"].map((path) => readFile(mirror(path), "utf8"))),
    ).toEqual(keys);
    expect(await readdir(mirror("history/hexpm"))).toEqual(["alpha.jsonl"]);
  });

  test("a key that lies in the folder and is not the recorded one is found", async () => {
    await sync();
    await another();
    await writeFile(mirror("upstream/hexpm/public_key"), await readFile(join(cwd, "other.pem")));
    const { code, stdout } = await run(["verify"]);
    expect([code, stdout]).toEqual([3, expect.stringContaining("damaged the registry: ")]);
    expect((await sync()).code).toBe(2);
  });
});

describe("mirror.config.json that was merely found", () => {
  const elsewhere = async () => {
    const shared = await temporaryFolder();
    return join(shared, "mirror");
  };
  const config = (content: object) => writeFile(join(cwd, "mirror.config.json"), JSON.stringify(content));

  test("may set the key of hexpm for a mirror below it, and that is said with URL and fingerprint", async () => {
    await config({ hexUrl: hex.url, hexPublicKey: "upstream.pem" });
    const { code, stderr } = await run(["sync"]);
    const said = `hexpm comes from ${hex.url}, signed by ${fingerprint(hex.key)}, as ${join(cwd, "mirror.config.json")} says`;
    expect([code, stderr]).toEqual([0, expect.stringContaining(said)]);
  });

  test.each([
    ["hexPublicKey", "upstream.pem"],
    ["hexUrl", "http://127.0.0.1:9"],
    ["repos", ["acme=http://127.0.0.1:9,upstream.pem"]],
    ["registryName", "other"],
    ["buildsPublicKey", "upstream.pem"],
    ["allowHosts", ["127.0.0.1"]],
  ])("has no say in %s for a mirror elsewhere", async (key, value) => {
    await config({ [key]: value });
    const shared = await elsewhere();
    const refused = new RegExp(`"${key}" in .*the mirror, with .*, lies elsewhere.*--config`);
    const byVariable = await run(["sync"], { MIRROR_DIR: shared });
    expect([byVariable.code, byVariable.stderr]).toEqual([2, expect.stringMatching(refused)]);
    await mkdir(shared);
    expect((await mirrorServer(["build", "--mirror", shared], { cwd: shared })).code).toBe(0);
    await symlink(shared, join(cwd, ".mirror"));
    const byLink = await run(["sync"]);
    expect([byLink.code, byLink.stderr]).toEqual([2, expect.stringMatching(refused)]);
    // Named, it is the user's own word.
    expect((await run(["status", "--config", "mirror.config.json"])).code).toBe(0);
  });

  test("may list files for a mirror elsewhere, not in this network, nor other ones than that mirror has seen", async () => {
    const shared = await elsewhere();
    const upstream = await startFileUpstream();
    upstream.files.set("/tool", Buffer.from("tool"));
    const sync = async (files: readonly object[], ...args: string[]) => {
      await config({ files });
      const own = ["--hex-url", hex.url, "--hex-public-key", join(cwd, "upstream.pem"), "--mirror", shared];
      return mirrorHere(["sync", ...own, ...args], { cwd });
    };
    const url = `${upstream.url}/tool`;
    expect((await sync([{ url }])).code).toBe(0);
    const near = await sync([{ url: "http://169.254.169.254/latest/credentials" }]);
    expect([near.code, near.stderr]).toEqual([
      1,
      expect.stringMatching(/169\.254\.169\.254 is an address of this machine or/),
    ]);
    upstream.files.set("/tool", Buffer.from("evil"));
    const sha256 = createHash("sha256").update("evil").digest("hex");
    const other = await sync([{ url, sha256 }]);
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/this mirror knows it with SHA-256 .*--config/),
    ]);
    expect(await readFile(join(shared, "files/127.0.0.1/tool"), "utf8")).toBe("tool");
    // Nor do others go because this file does not list them.
    await config({ files: [{ url: `${upstream.url}/another` }] });
    const pruned = await mirrorHere(["prune", "--mirror", shared], { cwd });
    expect([pruned.code, await readFile(join(shared, "files/127.0.0.1/tool"), "utf8")]).toEqual([0, "tool"]);
    expect((await sync([{ url, sha256 }], "--config", "mirror.config.json")).code).toBe(0);
  });

  test("leads nowhere above its folder, but to what is a mirror of this user already", async () => {
    const shared = await elsewhere();
    await config({ mirror: shared });
    expect((await run(["build"])).stderr).toMatch(/"mirror" in .* lies outside of the file's own folder/);
    await mkdir(shared);
    expect((await run(["build", "--mirror", shared])).code).toBe(0);
    expect((await run(["status"])).code).toBe(0);
    await config({ privateKey: "../key.pem" });
    expect((await run(["build"])).stderr).toMatch(/"privateKey" in .* lies outside of the file's own folder/);
    await symlink(shared, join(cwd, "out"));
    await config({ certsDir: "out/certs" });
    expect((await run(["status"])).stderr).toMatch(/"certsDir" in .* lies outside of the file's own folder/);
    await config({ repos: [`acme=http://127.0.0.1:9,${join(shared, "hex/public_key")}`] });
    expect((await run(["status"])).stderr).toMatch(/"repos" in .* lies outside of the file's own folder/);
  });

  test("sends no token of the environment anywhere", async () => {
    await config({ hexUrl: hex.url, hexPublicKey: "upstream.pem" });
    await writeFile(join(cwd, "mix.lock"), mixLock([], [lockEntry(alpha, "", "hexpm:acme")]));
    const { code, stderr } = await run(["sync"], { MIRROR_TOKEN_ACME: "geheim" });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/MIRROR_TOKEN_ACME is not sent to .*--config/)]);
    expect(hex.log).toEqual([]);
  });
});

test("a token is not sent to a mirror that only a found file names", async () => {
  await sync();
  await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ url: "http://127.0.0.1:9" }));
  await writeFile(join(cwd, "tokens"), "letmein\n");
  const { code, stderr } = await run(["env", "--require-token", "tokens"]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/the token of --require-token is not sent.*--config/)]);
});

describe("a server on the port", () => {
  const cache = () => ["--cache-dir", join(cwd, "cache")];
  const askedUrl = async (port: number, ...args: string[]) =>
    run(["exec", "--port", String(port), ...cache(), ...args, "--", "sh", "-c", 'printf %s "$HEX_MIRROR"']);

  beforeEach(async () => {
    await sync();
  });

  test("of this user is known by a file for that user alone, which goes with it", async () => {
    const server = await startServer(["--no-tls", ...cache()], { cwd });
    const file = join(cwd, `cache/servers/${server.port}.json`);
    expect((await askedUrl(server.port)).stdout).toBe(server.url);
    // What others could have read proves nothing.
    await chmod(file, 0o644);
    expect((await askedUrl(server.port)).stdout).not.toBe(server.url);
    await chmod(file, 0o600);
    await server.stop();
    expect(await readdir(join(cwd, "cache/servers"))).toEqual([]);
  });

  test("that only repeats what is public gets no client, and no token", async () => {
    const key = await readFile(mirror("hex/public_key"));
    const seen: string[] = [];
    const impostor = createServer((request, response) => {
      seen.push(`${request.url} ${String(request.headers.authorization)}`);
      response.end(request.url === "/public_key" ? key : "{}");
    });
    const port = Number(new URL(await listenOnLoopback(impostor)).port);
    await writeFile(join(cwd, "tokens"), "letmein\n");
    const { stdout, stderr } = await askedUrl(port, "--require-token", "tokens");
    expect(stdout).not.toContain(String(port));
    expect(stderr).toContain(`what answers on port ${port} does not prove to be this mirror's server`);
    expect(seen.join()).not.toContain("letmein");
    const env = await run(["env", "--port", String(port), ...cache()]);
    expect([env.code, env.stdout]).toEqual([2, ""]);
  });

  test("that hangs up, or says nothing, may be anybody", async () => {
    const silent = createServer((request) => request.socket.destroy());
    const port = Number(new URL(await listenOnLoopback(silent)).port);
    const { code, stdout } = await run(["env", "--port", String(port), ...cache()]);
    expect([code, stdout]).toEqual([2, ""]);
  });

  test("of this user that serves a copy of the mirror is another's", async () => {
    await cp(mirror(""), join(cwd, "copy"), { recursive: true });
    const server = await startServer(["--no-tls", "--mirror", "copy", ...cache()], { cwd });
    const { stdout, stderr } = await askedUrl(server.port, "--mirror", ".mirror");
    expect(stdout).not.toBe(server.url);
    expect(stderr).toContain("serves another mirror, so it is not used");
  });

  test("that passes our question on to the real one is not taken for it", async () => {
    const server = await startServer(["--no-tls", ...cache()], { cwd });
    const relay = createServer((request, response) => {
      void fetch(server.url + (request.url ?? "")).then(async (answer) => response.end(await answer.text()));
    });
    const port = Number(new URL(await listenOnLoopback(relay)).port);
    // Even where the file of the real one lies under the relay's port.
    const secret = JSON.parse(await readFile(join(cwd, `cache/servers/${server.port}.json`), "utf8")) as object;
    await writeFile(join(cwd, `cache/servers/${port}.json`), JSON.stringify({ ...secret, port }), { mode: 0o600 });
    expect((await askedUrl(port)).stdout).not.toContain(String(port));
  });

  test("of somebody else is known by TLS with the authority that is held, and by nothing else", async () => {
    const server = await startServer([], { cwd });
    const at = ["--port", String(server.port), "--tls-port", String(server.tlsPort), ...cache()];
    const script = 'curl -sS "$HEX_MIRROR/names" -o /dev/null -w "%{http_code} $HEX_MIRROR"';
    // Its secret lies in another cache. Whether it fetches is not known, so it is nobody's who is to be offline.
    const online = { MIRROR_OFFLINE: "" };
    const known = await run(["exec", ...at, "--", "sh", "-c", script], online);
    const offline = await run(["exec", ...at, "--", "sh", "-c", script]);
    expect(offline.stdout).not.toContain(String(server.tlsPort));
    expect(known.stdout).toBe(`200 https://localhost:${server.tlsPort}`);
    await rm(join(cwd, "certs"), { recursive: true });
    expect((await run(["exec", ...at, "--", "sh", "-c", script], online)).stdout).not.toContain(String(server.tlsPort));
  });

  test("is not known by an authority that came with the working folder, for a mirror elsewhere", async () => {
    const server = await startServer([], { cwd });
    const clone = join(cwd, "clone");
    await mkdir(clone);
    await cp(join(cwd, "certs"), join(clone, "certs"), { recursive: true });
    const args = [
      "exec",
      "--mirror",
      mirror(""),
      "--port",
      String(server.port),
      "--tls-port",
      String(server.tlsPort),
      ...cache(),
    ];
    const { stdout, stderr } = await run([...args, "--", "sh", "-c", 'echo "$HEX_MIRROR $GIT_SSL_CAINFO"'], {}, clone);
    expect(stdout).not.toMatch(new RegExp(`${server.tlsPort}|ca-bundle`));
    expect(stderr).toContain("is not trusted for a mirror elsewhere");
  });

  test("is served, too, where nothing can be left for this user's commands, and says so", async () => {
    // A folder in which nothing can be made.
    const server = await startServer(["--no-tls", "--cache-dir", "/proc/self"], { cwd });
    expect((await fetch(`${server.url}/names`)).status).toBe(200);
    expect(server.log()).toContain("exec and env of this user will not know this server");
    expect((await fetch(`${server.url}/health/identity?challenge=${"0f".repeat(32)}`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });

  test("proves itself to a challenge of 32 bytes, for its own port, and to nothing shorter", async () => {
    const server = await startServer(["--no-tls", ...cache()], { cwd });
    const { secret } = JSON.parse(await readFile(join(cwd, `cache/servers/${server.port}.json`), "utf8")) as {
      secret: string;
    };
    const challenge = "0f".repeat(32);
    const answer = await fetch(`${server.url}/health/identity?challenge=${challenge}`);
    const told = (await answer.json()) as { fingerprint: string; proof: string; mirror: string };
    const proofOf = (folder: string) => {
      const claim = ["mirror-server identity", challenge, `127.0.0.1:${server.port}`, folder, told.fingerprint];
      return createHmac("sha256", Buffer.from(secret, "hex")).update(JSON.stringify(claim)).digest("hex");
    };
    expect([told.proof, told.mirror]).toEqual([proofOf(""), proofOf(await realpath(mirror("hex")))]);
    expect((await fetch(`${server.url}/health/identity?challenge=00`)).status).toBe(400);
  });

  test("that --url names is known by the key that it had first", async () => {
    const one = await startServer(["--no-tls"], { cwd });
    const elsewhere = join(cwd, "elsewhere");
    await mkdir(elsewhere);
    const use = (url: string) => run(["env", "--url", url, ...cache()], {}, elsewhere);
    expect((await use(one.url)).stderr).toContain(`the mirror at ${one.url} is known by the key SHA256:`);
    expect((await use(one.url)).stderr).not.toContain("from now on");
    const known = join(cwd, "cache/known-mirrors.json");
    await writeFile(known, (await readFile(known, "utf8")).replace(/SHA256:[^"]+/, "SHA256:other"));
    const { code, stdout, stderr } = await use(one.url);
    expect([code, stdout, stderr]).toEqual([
      1,
      "",
      expect.stringMatching(/had SHA256:other when it was first used.*known-mirrors\.json/),
    ]);
  });
});

test("a key of the registry that others may have is used, and told with what to do", async () => {
  await sync();
  await chmod(mirror("private_key.pem"), 0o644);
  const { code, stderr } = await sync();
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/warning: the registry's key .* may be read by others: run chmod 600/),
  ]);
});
