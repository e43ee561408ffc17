/** `exec` in front of organisations and other repositories, open and guarded: nothing but the lock and a token. */
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const secret = makeTarball({ name: "secret", version: "0.3.0" });
const tool = makeTarball({ name: "tool", version: "2.0.0" });
const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;

let cwd: string;
let sync: (...args: string[]) => ReturnType<typeof mirrorServer>;

beforeEach(async () => {
  cwd = await temporaryFolder();
  const hex = await startHexUpstream([alpha]);
  hex.publish([secret], { organisation: { name: "acme", token: "t" } });
  const corp = await startHexUpstream([]);
  corp.publish([tool], { repository: "mycorp" });
  const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  const corpKey = await corp.writePublicKey(join(cwd, "mycorp.pem"));
  const entries = [lockEntry(secret, "", "hexpm:acme"), lockEntry(tool, "", "mycorp")];
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha], entries));
  await writeFile(join(cwd, "tokens"), "# of this mirror\nletmein\n");
  const upstream = ["--hex-url", hex.url, "--hex-public-key", key, "--repo", `mycorp=${corp.url},${corpKey}`];
  sync = (...args) => mirrorServer(["sync", ...upstream, ...args], { cwd, env: { MIRROR_TOKEN_ACME: "t" } });
  expect(await sync()).toMatchObject({ code: 0 });
});

const exec = (args: readonly string[], command: string, env: Record<string, string> = {}) =>
  mirrorServer(["exec", "--port", "0", "--cache-dir", "cache", ...args, "--", "sh", "-c", command], { cwd, env });

test("a file of tokens that is on the server alone is told of, and is no reason to stop", async () => {
  const args = ["env", "--require-token", "none", "--port", "9", "--cache-dir", "cache"];
  const { code, stderr } = await mirrorServer(args, { cwd });
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining("asked for without a token: --require-token: cannot read"),
  ]);
});

const cases: [string, string[]][] = [
  ["open to all", []],
  ["guarded by a token", ["--require-token", "tokens"]],
  ["guarded as a whole", ["--require-token", "tokens", "--require-token", "all"]],
];

describe("git", () => {
  test.each(cases)("%s", async (_what, args) => {
    const revision = await makeRepository(join(cwd, "repositories/owner/repo.git"));
    const { url } = await startGitUpstream(join(cwd, "repositories"));
    await mkdir(join(cwd, "git"));
    const entry = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
    await writeFile(join(cwd, "git/mix.lock"), mixLock([], [entry]));
    const env = redirectGit({ "https://github.com/": `${url}/` });
    expect(await mirrorServer(["sync", "git"], { cwd, env })).toMatchObject({ code: 0 });
    const clone = "git clone -q https://github.com/owner/repo.git clone && git -C clone rev-parse HEAD";
    const found = await exec(args, clone);
    expect([found.code, found.stdout]).toEqual([0, `${revision}\n`]);
    // The token is in a file for its owner alone, and in no variable.
    const { stdout } = await exec(args, "env; git config --get-regexp credential");
    expect(stdout).not.toContain("letmein");
  });
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3", () => {
  test.each(cases)("%s", async (_what, args) => {
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{alpha, "1.0.0"}, {secret, "0.3.0"}, {tool, "2.0.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const { code, stdout } = await exec(args, "cd app && rebar3 get-deps");
    expect([code, stdout]).toEqual([0, expect.stringContaining("Fetching tool v2.0.0")]);
    expect((await readdir(join(cwd, "app/_build/default/lib"))).sort()).toEqual(["alpha", "secret", "tool"]);
    // What was made for a port that is free again is not kept; nor is anything with a token.
    const [kept = "", ...more] = await readdir(join(cwd, "cache/clients"));
    expect([more, await readdir(join(cwd, "cache/clients", kept))]).toEqual([[], ["rebar3-cache"]]);
  });
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3 and an organisation alone", () => {
  test("are served without a file for each port", async () => {
    await mkdir(join(cwd, "solo"));
    await writeFile(join(cwd, "solo/mix.lock"), mixLock([alpha], [lockEntry(secret, "", "hexpm:acme")]));
    expect(await sync("solo", "--mirror", "solo.mirror")).toMatchObject({ code: 0 });
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{alpha, "1.0.0"}, {secret, "0.3.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const { code, stdout } = await exec(["--mirror", "solo.mirror"], "cd app && rebar3 get-deps");
    expect([code, stdout]).toEqual([0, expect.stringContaining("Fetching secret v0.3.0")]);
    expect(await readdir(join(cwd, "cache/clients"))).toHaveLength(1);
  });
});

describe.skipIf(archives === undefined)("Hex (skipped where `mix local.hex` has not been run)", () => {
  test.each(cases)("%s", async (_what, args) => {
    await writeFile(
      join(cwd, "mix.exs"),
      `defmodule App.MixProject do
         use Mix.Project
         def project, do: [app: :app, version: "0.1.0", deps: [
           {:alpha, "~> 1.0"},
           {:secret, "~> 0.3", organization: "acme"},
           {:tool, "~> 2.0", repo: "mycorp"}
         ]]
       end\n`,
    );
    const lock = await readFile(join(cwd, "mix.lock"), "utf8");
    const env = { LANG: "C.UTF-8", MIX_HOME: join(cwd, "mix"), MIX_ARCHIVES: archives ?? "", ...rebar3ForMix() };
    const { code, stdout, stderr } = await exec(args, "mix deps.get", env);
    const used = expect.stringMatching(
      /^using the mirror [^\n]*\n[^\n]*everything is here, the next run needs no network\n$/,
    ) as string;
    expect([code, stderr, stdout]).toEqual([0, used, expect.stringContaining("* Getting tool (Hex package)")]);
    expect((await readdir(join(cwd, "deps"))).sort()).toEqual(["alpha", "secret", "tool"]);
    expect(await readFile(join(cwd, "mix.lock"), "utf8")).toBe(lock);
  });
});
