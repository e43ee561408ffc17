/** rebar3, the Hex client that every Debian has, against a mirror that was synced from a real upstream on loopback. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, mixLock } from "../support/tarballs.ts";

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3", () => {
  let cwd: string;
  let server: RunningServer;

  beforeEach(async () => {
    cwd = await temporaryFolder();
    const hex = await startHexUpstream([alpha, beta]);
    const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha, beta]));
    const synced = await mirrorServer(["sync", "--hex-url", hex.url, "--hex-public-key", key], { cwd });
    expect(synced.code).toBe(0);
    server = await startServer([], { cwd });
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{beta, "2.1.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
  });

  const getDeps = async (publicKey: string) => {
    await mkdir(join(cwd, ".config/rebar3"), { recursive: true });
    await writeFile(
      join(cwd, ".config/rebar3/rebar.config"),
      `{hex, [{repos, [#{name => <<"hexpm">>, repo_url => <<"${server.url}">>, repo_public_key => <<"${publicKey}">>,
         repo_verify => true, repo_verify_origin => true}]}]}.\n`,
    );
    const env = { HOME: cwd, REBAR_GLOBAL_CONFIG_DIR: cwd, REBAR_CACHE_DIR: join(cwd, "cache"), HEX_CDN: server.url };
    return runClient("rebar3", ["get-deps"], { cwd: join(cwd, "app"), env });
  };
  const mirrorKey = () => readFile(join(cwd, ".mirror/hex/public_key"), "utf8");

  test("fetches packages and what they depend on, signature and origin verified", async () => {
    const { code, output } = await getDeps(await mirrorKey());
    expect(output).not.toMatch(/fail|error/i);
    expect(code).toBe(0);
    expect(await readFile(join(cwd, "app/_build/default/lib/beta/src/beta.erl"), "utf8")).toContain('"2.1.0"');
    expect(await readFile(join(cwd, "app/_build/default/lib/alpha/src/alpha.erl"), "utf8")).toContain('"1.0.0"');
    expect(server.log()).toMatch(/"path":"\/tarballs\/beta-2\.1\.0\.tar","status":200/);
  });

  test("a second app is served from its cache by conditional requests", async () => {
    const key = await mirrorKey();
    await getDeps(key);
    await rm(join(cwd, "app/_build"), { recursive: true });
    await rm(join(cwd, "app/rebar.lock"));
    expect((await getDeps(key)).code).toBe(0);
    expect(server.log()).toMatch(/"path":"\/tarballs\/beta-2\.1\.0\.tar","status":304/);
  });

  test("refuses the mirror when it is given another key, so it is the signature that it trusts", async () => {
    const other = await startHexUpstream([]);
    const { code } = await getDeps((other.files.get("/public_key") ?? "").toString());
    expect(code).not.toBe(0);
  });
});
