/** Hex itself, where it is installed: all that it asks of hex.pm, asked of the mirror. */
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { githubAt, hexArchives, isInstalled, runClient, rebar3ForMix } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { recordOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;

const newerAlpha = makeTarball({ name: "alpha", version: "1.2.0" });
const secret = makeTarball({
  name: "secret",
  version: "0.3.0",
  requirements: [{ name: "alpha", requirement: "~> 1.0", repository: "hexpm" }],
});
const dependencies =
  '{:alpha, "~> 1.0", [hex: :alpha, repo: "hexpm", optional: false]}, ' +
  '{:gamma, "~> 3.0", [hex: :gamma, repo: "hexpm", optional: true]}';
const secretDependencies = '{:alpha, "~> 1.0", [hex: :alpha, repo: "hexpm", optional: false]}';

/** As hex.pm tells it: alpha 1.0.0 has an advisory, beta is retired. */
const upstreamRecords = new Map([
  [
    "alpha",
    recordOf([alpha, newerAlpha], {
      releases: { "1.0.0": { advisoryIndexes: [0] } },
      advisories: [
        {
          id: "GHSA-1",
          summary: "Something bad",
          htmlUrl: "https://example.invalid/1",
          apiUrl: "https://example.invalid/1.json",
          severity: 3,
        },
      ],
    }),
  ],
  ["beta", recordOf([beta], { releases: { "2.1.0": { retired: { reason: 2, message: "do not use" } } } })],
]);

let cwd: string;
let app: string;
let hex: HexUpstream;
let server: RunningServer;
let revision: string;

describe.skipIf(archives === undefined)("Hex (skipped where `mix local.hex` has not been run)", () => {
  beforeEach(async () => {
    cwd = await temporaryFolder();
    app = join(cwd, "app");
    revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
    hex = await startHexUpstream([alpha, newerAlpha, beta]);
    hex.publish([alpha, newerAlpha, beta], { upstream: upstreamRecords });
    hex.files.set("/installs/hex-1.x.csv", Buffer.from(""));
    hex.publish([secret], { organisation: { name: "acme", token: "t" } });
    const documentation = createTar([{ name: "index.html", data: "<h1>alpha</h1>" }]);
    hex.files.set("/docs/alpha-1.0.0.tar.gz", gzipSync(documentation));
    await mkdir(app);
    await writeFile(
      join(app, "mix.exs"),
      `defmodule App.MixProject do
         use Mix.Project
         def project, do: [app: :app, version: "0.1.0", deps: [
           {:beta, "~> 2.0"},
           {:secret, "~> 0.3", organization: "acme"},
           {:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}
         ]]
       end\n`,
    );
    await writeFile(
      join(app, "mix.lock"),
      mixLock(
        [alpha],
        [
          lockEntry(beta, dependencies),
          lockEntry(secret, secretDependencies, "hexpm:acme"),
          `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`,
        ],
      ),
    );
    const upstream = await startGitUpstream(join(cwd, "upstream"));
    const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
    const env = { ...redirectGit({ "https://github.com/": `${upstream.url}/` }), MIRROR_TOKEN_ACME: "t" };
    const synced = await mirrorServer(["sync", app, "--docs", "--hex-url", hex.url, "--hex-public-key", key], {
      cwd,
      env,
    });
    expect(synced).toMatchObject({ code: 0 });
    server = await startServer([], { cwd });
  });

  const homes = (name: string) => ({
    HOME: cwd,
    MIX_HOME: join(cwd, "mix"),
    MIX_ARCHIVES: archives ?? "",
    HEX_HOME: join(cwd, name),
    ...rebar3ForMix(),
    ...gitEnvironment,
  });
  const ofMirror = () => ({
    ...homes("hex_home"),
    HEX_MIRROR: server.url,
    HEX_API_URL: `${server.url}/api`,
    ...githubAt(server.tlsPort, join(cwd, "certs/ca.pem")),
  });
  /** Upstream itself, to compare with. */
  const ofUpstream = () => ({ ...homes("upstream_home"), HEX_MIRROR: hex.url });

  const mix = async (env: Record<string, string>, ...args: string[]) => {
    const run = await runClient("mix", args, { cwd: app, env });
    // Colours and blank lines are not what is compared.
    // oxlint-disable-next-line no-control-regex
    return { ...run, output: run.output.replace(/\u001b\[\d*m/g, "") };
  };
  const trust = async (env: Record<string, string>, file: string) =>
    expect(await mix(env, "hex.repo", "set", "hexpm", "--public-key", file)).toMatchObject({ code: 0 });
  const trustMirror = () => trust(ofMirror(), join(cwd, ".mirror/hex/public_key"));

  test("deps.get fetches packages, an organisation's too, and repositories, verified and quietly", async () => {
    await trustMirror();
    const lock = await readFile(join(app, "mix.lock"), "utf8");
    const { code, output } = await mix(ofMirror(), "deps.get");
    expect([code, output]).toEqual([0, expect.stringContaining("* Getting beta (Hex package)")]);
    expect(output).toContain("* Getting secret (Hex package)");
    expect(output).not.toMatch(/fail|warning|unexpected|authenticat/i);
    expect(output).toMatch(/beta 2\.1\.0 .*RETIRED!/);
    expect(await readFile(join(app, "deps/alpha/src/alpha.erl"), "utf8")).toContain("1.0.0");
    expect(await readFile(join(app, "deps/secret/src/secret.erl"), "utf8")).toContain("0.3.0");
    expect(await git(join(app, "deps/repo"), ["rev-parse", "HEAD"])).toBe(revision);
    // The lock asked for exactly this, so it stays as it was.
    const entries = (text: string) => text.replace(/\s|,(?=\})/g, "");
    expect(entries(await readFile(join(app, "mix.lock"), "utf8"))).toBe(entries(lock));
  });

  test("an organisation that the mirror guards is fetched with a token, as docs/hex.md has it, and not without", async () => {
    await writeFile(join(cwd, "tokens"), "letmein\n");
    const guarded = await startServer(["--require-token", "tokens"], { cwd });
    const pem = await readFile(join(cwd, ".mirror/hex/public_key"), "utf8");
    const client = { ...homes("guarded_home"), NETRC: join(cwd, "netrc") };
    const setUp = async (token: string) => {
      await mkdir(join(cwd, "guarded_home"), { recursive: true });
      const hexpm = `<<"hexpm">> => #{url => <<"${guarded.url}">>,public_key => <<"${pem}">>}`;
      await writeFile(join(cwd, "guarded_home/hex.config"), `{'$repos',#{${hexpm}}}.\n`);
      await writeFile(join(cwd, "netrc"), `machine 127.0.0.1\nlogin any\npassword ${token}\n`);
    };
    await setUp("wrong");
    const refused = await mix(client, "hex.package", "fetch", "secret", "0.3.0", "--organization", "acme");
    expect([refused.code === 0, refused.output]).toEqual([false, expect.stringContaining("403")]);
    await setUp("letmein");
    const allowed = await mix(client, "hex.package", "fetch", "secret", "0.3.0", "--organization", "acme");
    expect([allowed.code, allowed.output]).toEqual([0, expect.stringContaining("secret")]);
  });

  test("hex.audit reports on the mirror what it reports upstream", async () => {
    await trustMirror();
    await trust(ofUpstream(), join(cwd, "upstream.pem"));
    // The upstream of this test guards its organisation, so what is compared leaves it out.
    const mixExs = await readFile(join(app, "mix.exs"), "utf8");
    await writeFile(join(app, "mix.lock"), mixLock([alpha], [lockEntry(beta, dependencies)]));
    await writeFile(
      join(app, "mix.exs"),
      mixExs.replace(/.*organization.*\n|.*git:.*\n/g, "").replace('2.0"},', '2.0"}'),
    );
    expect(await mix(ofMirror(), "deps.get")).toMatchObject({ code: 0 });
    const [ours, theirs] = [await mix(ofMirror(), "hex.audit"), await mix(ofUpstream(), "hex.audit")];
    expect(ours.output).toEqual(theirs.output);
    expect([ours.code, ours.output]).toEqual([1, expect.stringMatching(/beta 2\.1\.0 - \(security\) do not use/)]);
    expect(ours.output).toMatch(/alpha 1\.0\.0 - GHSA-1 \(HIGH\)/);
  });

  test("hex.outdated sees what is held on our face, and all versions on upstream's", async () => {
    await trustMirror();
    expect(await mix(ofMirror(), "deps.get")).toMatchObject({ code: 0 });
    const ours = await mix(ofMirror(), "hex.outdated", "--all");
    expect(ours.output).toMatch(/alpha\s+1\.0\.0\s+1\.0\.0\s+Up-to-date/);
    const face = { ...ofMirror(), HEX_HOME: join(cwd, "face_home"), HEX_MIRROR: `${server.url}/repo.hex.pm` };
    await trust(face, join(cwd, "upstream.pem"));
    const upstream = await mix(face, "hex.outdated", "--all");
    expect(upstream.output).toMatch(/alpha\s+1\.0\.0\s+1\.2\.0\s+Update/);
  });

  test("hex.info tells of packages and releases, from the API", async () => {
    await trustMirror();
    const info = await mix(ofMirror(), "hex.info", "beta");
    expect([info.code, info.output]).toEqual([0, expect.stringContaining("Test package – ż")]);
    expect(info.output).toMatch(/Config: \{:beta, "~> 2\.1"\}/);
    expect(info.output).toMatch(/2\.1\.0 \(retired\)/);
    expect(info.output).toMatch(/Licenses: MIT/);
    expect(info.output).toContain("Source: https://example.invalid/beta");
    const release = await mix(ofMirror(), "hex.info", "beta", "2.1.0");
    expect([release.code, release.output]).toEqual([
      0,
      expect.stringMatching(/This version has been retired: \(security\)/),
    ]);
    expect(release.output).toMatch(/alpha ~> 1\.0/);
    const none = await mix(ofMirror(), "hex.info", "gamma");
    expect([none.code, none.output]).toEqual([1, expect.stringContaining("No package with name gamma")]);
  });

  test("hex.package fetch and hex.docs fetch", async () => {
    await trustMirror();
    expect(await mix(ofMirror(), "hex.package", "fetch", "alpha", "1.0.0")).toMatchObject({ code: 0 });
    expect(await readFile(join(app, "alpha-1.0.0.tar"))).toEqual(alpha.bytes);
    const docs = await mix(ofMirror(), "hex.docs", "fetch", "alpha", "1.0.0");
    expect([docs.code, docs.output]).toEqual([0, expect.stringMatching(/Docs fetched/)]);
    expect(await readdir(join(cwd, "hex_home/docs/hexpm/alpha/1.0.0"))).toContain("index.html");
  });

  test("upstream's face needs no key of ours, and a tarball that we lack is a clear error there", async () => {
    const face = { ...ofMirror(), HEX_MIRROR: `${server.url}/repo.hex.pm` };
    await trust(face, join(cwd, "upstream.pem"));
    expect((await mix(face, "hex.package", "fetch", "beta", "2.1.0")).code).toBe(0);
    const lacking = await mix(face, "hex.package", "fetch", "alpha", "1.2.0");
    expect([lacking.code === 0, lacking.output]).toEqual([false, expect.stringContaining("404")]);
  });
});
