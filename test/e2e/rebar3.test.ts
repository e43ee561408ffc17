/** rebar3, the Hex client that every Debian has, against a mirror that was synced from a real upstream on loopback. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { recordOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

// rebar3 takes optional dependencies for ordinary ones, so this one has none.
const beta = makeTarball({
  name: "beta",
  version: "2.1.0",
  requirements: [{ name: "alpha", requirement: "~> 1.0" }],
});
const secret = makeTarball({
  name: "secret",
  version: "0.3.0",
  requirements: [{ name: "alpha", requirement: "~> 1.0", repository: "hexpm" }],
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3", () => {
  let cwd: string;
  let hex: HexUpstream;
  let key: string;
  let server: RunningServer;

  beforeEach(async () => {
    cwd = await temporaryFolder();
    hex = await startHexUpstream([alpha, beta]);
    hex.publish([beta], {
      upstream: new Map([
        ["beta", recordOf([beta], { releases: { "2.1.0": { retired: { reason: 2, message: "do not use" } } } })],
      ]),
    });
    hex.publish([secret], { organisation: { name: "acme", token: "t" } });
    key = await hex.writePublicKey(join(cwd, "upstream.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha, beta], [lockEntry(secret, "", "hexpm:acme")]));
    const args = ["sync", "--hex-url", hex.url, "--hex-public-key", key];
    expect(await mirrorServer(args, { cwd, env: { MIRROR_TOKEN_ACME: "t" } })).toMatchObject({ code: 0 });
    await writeFile(join(cwd, "tokens"), "letmein\n");
    server = await startServer(["--require-token", "tokens"], { cwd });
    await writeApp('{beta, "2.1.0"}');
  });

  const writeApp = async (dependency: string) => {
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), `{deps, [${dependency}]}.\n`);
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
  };
  /** @param organisation what its entry says besides its name; undefined: no entry */
  const getDeps = async (
    publicKey: string,
    { cdn = server.url, organisation = undefined as string | undefined } = {},
  ) => {
    await mkdir(join(cwd, ".config/rebar3"), { recursive: true });
    const repos = [
      ...(organisation === undefined ? [] : [`#{name => <<"hexpm:acme">>${organisation}}`]),
      `#{name => <<"hexpm">>, repo_public_key => <<"${publicKey}">>, repo_verify => true, repo_verify_origin => true}`,
    ];
    await writeFile(join(cwd, ".config/rebar3/rebar.config"), `{hex, [{repos, [${repos.join(", ")}]}]}.\n`);
    const env = { HOME: cwd, REBAR_GLOBAL_CONFIG_DIR: cwd, REBAR_CACHE_DIR: join(cwd, "cache"), HEX_CDN: cdn };
    return runClient("rebar3", ["get-deps"], { cwd: join(cwd, "app"), env });
  };
  const mirrorKey = () => readFile(join(cwd, ".mirror/hex/public_key"), "utf8");
  const fetched = async (name: string) => readFile(join(cwd, `app/_build/default/lib/${name}/src/${name}.erl`), "utf8");

  test("fetches packages and what they depend on, signature and origin verified", async () => {
    const { code, output } = await getDeps(await mirrorKey());
    expect(output).not.toMatch(/fail|error/i);
    expect(code).toBe(0);
    expect(await fetched("beta")).toContain('"2.1.0"');
    expect(await fetched("alpha")).toContain('"1.0.0"');
    expect(server.log()).toMatch(/"path":"\/tarballs\/beta-2\.1\.0\.tar","status":200/);
  });

  test("warns of a retired release, on the mirror as upstream", async () => {
    const warning = "package beta-2.1.0 is retired: (security) do not use";
    const upstreamKey = (hex.files.get("/public_key") ?? "").toString();
    expect((await getDeps(upstreamKey, { cdn: hex.url })).output).toContain(warning);
    await rm(join(cwd, "app/_build"), { recursive: true });
    await rm(join(cwd, "app/rebar.lock"));
    await rm(join(cwd, "cache"), { recursive: true });
    expect((await getDeps(await mirrorKey())).output).toContain(warning);
  });

  test("a retirement of today is there after the next sync, although no tarball is new", async () => {
    const upstream = new Map([
      ["alpha", recordOf([alpha], { releases: { "1.0.0": { retired: { reason: 3, message: "use beta" } } } })],
    ]);
    hex.publish([alpha], { upstream });
    const args = ["sync", "--hex-url", hex.url, "--hex-public-key", key];
    hex.log.length = 0;
    await mirrorServer(args, { cwd, env: { MIRROR_TOKEN_ACME: "t" } });
    expect(hex.log.sort()).toEqual(["200 /packages/alpha", "304 /packages/beta", "304 /repos/acme/packages/secret"]);
    expect((await getDeps(await mirrorKey())).output).toContain(
      "package alpha-1.0.0 is retired: (deprecated) use beta",
    );
  });

  test("fetches an organisation's package with its token, and not without", async () => {
    await writeApp('{secret, "0.3.0"}');
    const refused = await getDeps(await mirrorKey(), { organisation: "" });
    expect([refused.code === 0, refused.output]).toEqual([false, expect.stringContaining("secret")]);
    const { code, output } = await getDeps(await mirrorKey(), { organisation: ', repo_key => <<"letmein">>' });
    expect([code, output]).toEqual([0, expect.stringContaining("Fetching secret v0.3.0")]);
    expect(await fetched("secret")).toContain('"0.3.0"');
    expect(await fetched("alpha")).toContain('"1.0.0"');
  });

  test("accepts upstream's own signature at the face of repo.hex.pm, and refuses our key there", async () => {
    const upstreamKey = (hex.files.get("/public_key") ?? "").toString();
    const cdn = `${server.url}/repo.hex.pm`;
    const { code, output } = await getDeps(upstreamKey, { cdn });
    expect([code, output]).toEqual([0, expect.stringContaining("Fetching beta v2.1.0")]);
    await rm(join(cwd, "app/_build"), { recursive: true });
    await rm(join(cwd, "cache"), { recursive: true });
    expect((await getDeps(await mirrorKey(), { cdn })).code).not.toBe(0);
  });

  test("a second app is served from its cache by conditional requests", async () => {
    const mirror = await mirrorKey();
    await getDeps(mirror);
    await rm(join(cwd, "app/_build"), { recursive: true });
    await rm(join(cwd, "app/rebar.lock"));
    expect((await getDeps(mirror)).code).toBe(0);
    expect(server.log()).toMatch(/"path":"\/tarballs\/beta-2\.1\.0\.tar","status":304/);
  });

  test("writes a rebar.lock that the mirror reads, checksums included", async () => {
    await getDeps(await mirrorKey());
    const { code, stdout } = await mirrorServer(["verify", "app"], { cwd });
    expect([code, stdout]).toEqual([0, "complete and intact: 2 checked for app-rebar\n"]);
  });

  test("refuses the mirror when it is given another key, so it is the signature that it trusts", async () => {
    const other = await startHexUpstream([]);
    const { code } = await getDeps((other.files.get("/public_key") ?? "").toString());
    expect(code).not.toBe(0);
  });
});
