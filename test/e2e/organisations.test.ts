/** Private packages: fetched with a token, served under /repos/…, the token nowhere to be seen. */
import { readFile, readdir, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { decodeNames, decodePackage } from "../../src/hex/records.ts";
import { readPublicKey } from "../../src/hex/keys.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const secret = makeTarball({
  name: "secret",
  version: "0.3.0",
  requirements: [
    { name: "alpha", requirement: "~> 1.0", repository: "hexpm" },
    { name: "gamma", requirement: "~> 3.0", repository: "hexpm", optional: true },
  ],
});
const token = "t0ken-of-acme";

let cwd: string;
let hex: HexUpstream;
let key: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha]);
  hex.publish([secret], { organisation: { name: "acme", token } });
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(secret, "", "hexpm:acme")]));
});

const sync = (env: Record<string, string> = {}, args: string[] = []) =>
  mirrorHere(["sync", "--hex-url", hex.url, "--hex-public-key", key, ...args], { cwd, env });
const withToken = { MIRROR_TOKEN_ACME: token };

describe("an organisation's packages", () => {
  test("are fetched with the token of the environment, signed anew, and what they depend on is known", async () => {
    const { code, stdout, stderr } = await sync(withToken);
    expect([code, stderr]).toEqual([0, expect.stringContaining("added hexpm:acme/secret 0.3.0")]);
    expect(stderr).toContain("warning: what hexpm:acme keeps private, this mirror shows to whoever reaches it");
    expect(stdout).toContain("registry: 2 packages, 2 releases");
    const ours = readPublicKey(await readFile(join(cwd, ".mirror/hex/public_key"), "utf8"), "ours");
    const read = async (path: string) => verifyAndUnwrap(await readFile(join(cwd, ".mirror/hex", path)), ours);
    expect(decodeNames(await read("repos/acme/names"))).toMatchObject({
      repository: "acme",
      packages: [{ name: "secret" }],
    });
    const record = decodePackage(await read("repos/acme/packages/secret"));
    expect(record.repository).toBe("acme");
    expect(record.releases[0]?.dependencies).toMatchObject([
      { package: "alpha", repository: "hexpm" },
      { package: "gamma", repository: "hexpm" },
    ]);
    // An optional dependency in the public repository has its empty record there.
    expect(decodePackage(await read("packages/gamma")).releases).toEqual([]);
    expect(await readdir(join(cwd, ".mirror/hex/packages"))).toEqual(["alpha", "gamma"]);
    expect((await mirrorHere(["verify"], { cwd })).code).toBe(0);
  });

  test("are fetched with the token that Hex itself keeps", async () => {
    await mkdir(join(cwd, ".hex"));
    await writeFile(
      join(cwd, ".hex/hex.config"),
      `{'$repos',#{<<"hexpm">> => #{url => <<"${hex.url}">>},<<"hexpm:acme">> => #{auth_key => <<"${token}">>}}}.\n`,
    );
    expect((await sync()).code).toBe(0);
  });

  test.each([
    ["a key of the environment", { MIRROR_TOKEN_ACME: "k3y" }, ""],
    ["the key that Hex keeps", {}, 'auth_key => <<"k3y">>'],
  ])("%s is exchanged for a token, as Hex does it, where it is said who does that", async (_, env, kept) => {
    const exchanged: string[] = [];
    hex.publish([secret], { organisation: { name: "acme", token: `Bearer ${token}` } });
    hex.intercept = (request, response) => {
      if (request.url !== "/api/oauth/token") return false;
      exchanged.push(request.method ?? "");
      response.end(JSON.stringify({ access_token: token, expires_in: 1800 }));
      return true;
    };
    await mkdir(join(cwd, ".hex"));
    const entry = `<<"hexpm:acme">> => #{${kept}}`;
    await writeFile(
      join(cwd, ".hex/hex.config"),
      `{'$repos',#{<<"hexpm">> => #{url => <<"${hex.url}">>},${entry}}}.\n`,
    );
    const { code, stderr, stdout } = await sync(env, ["--hex-api-url", `${hex.url}/api`]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("added hexpm:acme/secret 0.3.0")]);
    expect(exchanged).toEqual(["POST"]);
    expect(stdout + stderr).not.toMatch(/k3y|t0ken-of-acme/);
    // Who was not named is not sent the key.
    exchanged.length = 0;
    expect((await sync(env)).code).toBe(1);
    expect(exchanged).toEqual([]);
  });

  test("a token of Hex is for the server that Hex knows by that name, and goes to no other", async () => {
    await mkdir(join(cwd, ".hex"));
    await writeFile(join(cwd, ".hex/hex.config"), `{'$repos',#{<<"hexpm:acme">> => #{auth_key => <<"${token}">>}}}.\n`);
    expect((await sync()).code).toBe(1);
    expect(hex.authorizations.get("/repos/acme/packages/secret")).toBeUndefined();
  });

  test("of another repository than hexpm keep their place in later runs", async () => {
    const other = await startHexUpstream([]);
    other.publish([secret], { organisation: { name: "team", token: "t" } });
    await other.writePublicKey(join(cwd, "corp.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(secret, "", "corp:team")]));
    const corp = () => sync({ MIRROR_TOKEN_TEAM: "t" }, ["--repo", `corp=${other.url},corp.pem`]);
    expect(await corp()).toMatchObject({ code: 0 });
    expect(await corp()).toMatchObject({ code: 0 });
    expect((await mirrorHere(["status"], { cwd })).stdout).toContain("corp:team: 1 releases");
    expect((await mirrorHere(["prune"], { cwd })).stdout).toBe("removed 0, 0 B\n");
    expect((await mirrorHere(["verify"], { cwd })).code).toBe(0);
  });

  test("the token is in no output and in no file, whether it is right or wrong", async () => {
    const right = await sync(withToken);
    const wrong = await sync({ MIRROR_TOKEN_ACME: `${token}-wrong` });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(
      /failed hexpm:acme\/secret 0\.3\.0: upstream does not take the token .*; give MIRROR_TOKEN_ACME/,
    );
    for (const { stdout, stderr } of [right, wrong]) expect(stdout + stderr).not.toContain(token);
    const files = await readdir(join(cwd, ".mirror"), { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      expect(await readFile(join(file.parentPath, file.name), "latin1")).not.toContain(token);
    }
    // What the public repository is asked for carries no token.
    expect(hex.authorizations.get("/packages/alpha")).toBeUndefined();
    expect(hex.authorizations.get("/repos/acme/packages/secret")).toBeDefined();
    expect((await sync({})).stderr).toMatch(/upstream wants a token for .*\/packages\/secret; give MIRROR_TOKEN_ACME/);
  });
});

describe("another repository", () => {
  test("is fetched from its own URL with its own key, and served under its name", async () => {
    const own = makeTarball({ name: "own", version: "1.0.0" });
    const other = await startHexUpstream([]);
    other.publish([own], { repository: "corp" });
    await other.writePublicKey(join(cwd, "corp.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(own, "", "corp")]));
    const { code, stderr } = await sync({}, ["--repo", `corp=${other.url}/,corp.pem`]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("added corp/own 1.0.0")]);
    const ours = readPublicKey(await readFile(join(cwd, ".mirror/hex/public_key"), "utf8"), "ours");
    const bytes = await readFile(join(cwd, ".mirror/hex/repos/corp/packages/own"));
    expect(decodePackage(verifyAndUnwrap(bytes, ours)).repository).toBe("corp");
    expect((await mirrorHere(["verify"], { cwd })).code).toBe(0);
    // The registry can be built anew without telling of the repository again.
    expect((await mirrorHere(["build"], { cwd })).code).toBe(0);
  });

  test("that nobody told of fails by itself, and says what to give", async () => {
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(secret, "", "corp")]));
    const { code, stdout, stderr } = await sync();
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^added 1, .*failed 1/)]);
    expect(stderr).toContain('the repository "corp" is not known; give --repo corp=URL,KEYFILE');
  });

  test("cannot have the place of an organisation with its name", async () => {
    await sync(withToken);
    const other = await startHexUpstream([]);
    await other.writePublicKey(join(cwd, "corp.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(secret, "", "acme")]));
    const { code, stderr } = await sync({}, ["--repo", `acme=${other.url},corp.pem`]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('/repos/acme of this mirror is "hexpm:acme"')]);
  });
});

describe("serve --require-token", () => {
  const get = async (url: string, authorization?: string) =>
    (await fetch(url, { headers: authorization === undefined ? {} : { authorization } })).status;

  test("answers /repos/… only those who send one of the tokens, on every way to it", async () => {
    await sync(withToken);
    await writeFile(join(cwd, "tokens"), "# who may read\nletmein\n\nother\n");
    const server = await startServer(["--no-tls", "--require-token", "tokens"], { cwd });
    const guarded = [
      "/repos/acme/packages/secret",
      "/repos/acme/names",
      "/repos/acme/tarballs/secret-0.3.0.tar",
      "/repo.hex.pm/repos/acme/packages/secret",
      "/repo.hex.pm/repos/acme/tarballs/secret-0.3.0.tar",
      "/%72epos/acme/packages/secret",
      "//repos//acme/packages/secret",
      "/api/repos/acme/packages/secret",
      "/hex.pm/api/repos/acme/packages/secret/releases/0.3.0",
    ];
    for (const path of guarded) {
      expect([path, await get(server.url + path)]).toEqual([path, 403]);
      expect([path, await get(server.url + path, "wrong")]).toEqual([path, 403]);
      expect([path, await get(server.url + path, "letmein")]).toEqual([path, 200]);
      expect([path, await get(server.url + path, "Bearer other")]).toEqual([path, 200]);
    }
    expect(await get(`${server.url}/packages/alpha`)).toBe(200);
    expect(await get(`${server.url}/api/packages/alpha`)).toBe(200);
    expect(server.log()).not.toMatch(/letmein|other"|wrong/);
  });

  test("a file that is missing or empty stops the server: a guard must not become an open door", async () => {
    const missing = await mirrorHere(["serve", "--no-tls", "--port", "0", "--require-token", "none"], { cwd });
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringMatching(/--require-token: cannot read .*none/)]);
    await writeFile(join(cwd, "tokens"), "# nobody yet\n");
    const empty = await mirrorHere(["serve", "--no-tls", "--port", "0", "--require-token", "tokens"], { cwd });
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringMatching(/holds no token/)]);
  });
});
