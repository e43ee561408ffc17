/** Real clients through a mirror that is empty at first: with upstream, without it, and with it again. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream, type GitUpstream } from "../support/git.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;
const hasRebar3 = isInstalled("rebar3", "version");
const newerAlpha = makeTarball({ name: "alpha", version: "1.2.0" });

let cwd: string;
let home: string;
let hex: HexUpstream;
let upstream: GitUpstream;
let revision: string;
let server: RunningServer;

beforeEach(async () => {
  cwd = await temporaryFolder();
  home = join(cwd, "home");
  await mkdir(home);
  hex = await startHexUpstream([alpha, beta]);
  hex.files.set("/installs/hex-1.x.csv", Buffer.from(""));
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"), {
    "rebar.config": "{erl_opts, []}.\n",
    "src/repo.app.src": '{application, repo, [{vsn, "1.0.0"}, {applications, [kernel, stdlib]}]}.\n',
  });
  upstream = await startGitUpstream(join(cwd, "upstream"));
});

const online = { MIRROR_OFFLINE: "false" };
const settings = async () => [
  "--hex-url",
  hex.url,
  "--hex-public-key",
  await hex.writePublicKey(join(cwd, "upstream.pem")),
  "--builds-url",
  hex.url,
  "--allow-hosts",
  "127.0.0.1",
  "--upstream-timeout",
  "1s",
  "--cache-dir",
  join(cwd, "cache"),
];
/** The server that asks upstream; clients know nothing of that. */
const serve = async (...more: string[]) => {
  const env = { ...online, ...redirectGit({ "https://github.com/": `${upstream.url}/` }) };
  server = await startServer(["--no-tls", ...(await settings()), ...more], { cwd, env });
};
const exec = async (args: string[], env: Record<string, string> = {}) =>
  mirrorServer(["exec", ...(await settings()), "--port", String(server.port), "--", ...args], {
    cwd,
    env: { HOME: home, ...online, ...env },
  });
const off = async () => Promise.all([hex.off(), upstream.off()]);
const on = async () => Promise.all([hex.on(), upstream.on()]);

describe("exec on a mirror that is not there yet", () => {
  test("makes it, makes the lock known, fetches what it names, and says so", async () => {
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [lockEntry(beta)]));
    const args = async (...more: string[]) => ["exec", ...(await settings()), "--port", "0", ...more, "--", "true"];
    const offline = await mirrorServer(await args("--offline"), { cwd, env: online });
    expect([offline.code, offline.stderr]).toEqual([2, expect.stringContaining("there is no mirror in")]);
    const first = await mirrorServer(await args(), { cwd, env: online });
    expect(first.stderr).toMatch(/which fetches what it does not hold \(--offline keeps it from that\)/);
    expect(first.stderr).toMatch(/: everything is here, the next run needs no network\n$/);
    await off();
    expect(await mirrorServer(["verify"], { cwd })).toMatchObject({ code: 0 });
    await rm(join(cwd, ".mirror/hex/tarballs/alpha-1.0.0.tar"));
    const second = await mirrorServer(await args(), { cwd, env: online });
    expect([second.code, second.stderr]).toEqual([
      0,
      expect.stringContaining("1 of what it names is not here: alpha 1.0.0"),
    ]);
    const third = await mirrorServer(await args("--offline"), { cwd, env: online });
    expect(third.stderr).toContain("1 of what it names is not here: alpha 1.0.0");
  }, 60_000);
});

describe.skipIf(archives === undefined)("Hex (skipped where `mix local.hex` has not been run)", () => {
  const ofMix = () => ({
    LANG: "C.UTF-8",
    MIX_HOME: join(cwd, "mix"),
    MIX_ARCHIVES: archives ?? "",
    ...rebar3ForMix(),
  });
  const locked = async () =>
    /"alpha": \{:hex, :alpha, "([^"]+)"/.exec(await readFile(join(cwd, "mix.lock"), "utf8"))?.[1];
  const mix = async (...args: string[]) => exec(["mix", ...args], ofMix());

  test("gets dependencies online and offline, and updates to what is there by then", async () => {
    await writeFile(
      join(cwd, "mix.exs"),
      `defmodule App.MixProject do
         use Mix.Project
         def project, do: [app: :app, version: "0.1.0", deps: [
           {:beta, "~> 2.0"},
           {:alpha, "~> 1.0"},
           {:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}
         ]]
       end\n`,
    );
    await serve("--max-age", "0");
    const first = await mix("deps.get");
    expect([first.code, first.stdout]).toEqual([0, expect.stringContaining("* Getting beta (Hex package)")]);
    expect(first.stderr).toMatch(/everything is here, the next run needs no network\n$/);
    expect(await git(join(cwd, "deps/repo"), ["rev-parse", "HEAD"])).toBe(revision);

    hex.publish([alpha, newerAlpha, beta]);
    await off();
    await rm(join(cwd, "deps"), { recursive: true });
    await rm(join(home, ".hex"), { recursive: true, force: true });
    expect(await mix("deps.get")).toMatchObject({ code: 0 });
    // What is held is the newest that there is.
    expect(await mix("deps.update", "alpha")).toMatchObject({ code: 0 });
    expect(await locked()).toBe("1.0.0");

    await on();
    await expect
      .poll(async () => (await fetch(`${server.url}/packages/alpha`)).headers.get("x-mirror"), { timeout: 10_000 })
      .not.toBe("stale");
    const outdated = await mix("hex.outdated");
    expect(outdated.stdout).toMatch(/alpha\s+1\.0\.0\s+1\.2\.0/);
    expect(await mix("deps.update", "alpha")).toMatchObject({ code: 0 });
    expect(await locked()).toBe("1.2.0");
    await off();
    await rm(join(cwd, "deps"), { recursive: true });
    expect(await mix("deps.get")).toMatchObject({ code: 0 });
    expect(await locked()).toBe("1.2.0");
  }, 120_000);
});

describe.skipIf(!hasRebar3)("rebar3 (skipped where it is not installed)", () => {
  test("gets dependencies with one cache, online, offline and online again", async () => {
    await writeFile(
      join(cwd, "rebar.config"),
      `{deps, [{alpha, "1.0.0"}, {repo, {git, "https://github.com/owner/repo.git", {ref, "${revision}"}}}]}.\n`,
    );
    await serve("--max-age", "0");
    const cache = { REBAR_CACHE_DIR: join(cwd, "rebar-cache") };
    const get = async () => {
      await rm(join(cwd, "_build"), { recursive: true, force: true });
      await rm(join(cwd, "rebar.lock"), { force: true });
      return exec(["rebar3", "get-deps"], cache);
    };
    const first = await get();
    expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/Fetching alpha v1\.0\.0/)]);
    // What has just passed is kept by the time that it is told.
    expect(first.stderr).toMatch(/everything is here, the next run needs no network\n$/);
    await off();
    expect(await get()).toMatchObject({ code: 0 });
    await on();
    expect(await get()).toMatchObject({ code: 0 });
  }, 120_000);
});
