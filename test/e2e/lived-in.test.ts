/**
 * The home of somebody who uses git, Hex, rebar3 and CI every day, with every setting that could lead a client past the
 * mirror, and a watcher at the end of each such way: real clients within `exec` find the mirror, ask nobody else, and what
 * stands in the home and the project is byte for byte as it was.
 */
import { chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { startProxy, type Proxy } from "../support/proxy.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const beta = makeTarball({ name: "beta", version: "2.1.0", requirements: [{ name: "alpha", requirement: "~> 1.0" }] });
const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;

let cwd: string;
let home: string;
let revision: string;
let watcher: Proxy;
let environment: Record<string, string>;

beforeEach(async () => {
  cwd = await temporaryFolder();
  home = join(cwd, "home");
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"), { "README.md": "hello\n" });
  const hex = await startHexUpstream([alpha, beta]);
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  const dependencies = '{:alpha, "~> 1.0", [hex: :alpha, repo: "hexpm", optional: false]}';
  const entries = [
    lockEntry(beta, dependencies),
    `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`,
  ];
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha], entries));
  const env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  expect(await mirrorServer(["sync", "--hex-url", hex.url, "--hex-public-key", key], { cwd, env })).toMatchObject({
    code: 0,
  });
  watcher = await startProxy({ refusal: 502 });
  await furnish();
});

/** Every setting of the table in clients/treatments.ts that can do harm. */
async function furnish(): Promise<void> {
  for (const folder of [".hex/packages", ".hex/docs", ".config/rebar3", ".config/git", ".config/fish", "bin"]) {
    await mkdir(join(home, folder), { recursive: true });
  }
  for (const [file, content] of [
    [join(home, ".config/git/config"), "[alias]\n\tst = status\n"],
    [join(home, ".bashrc"), "alias ll='ls -l'\n"],
    [join(home, ".profile"), "umask 022\n"],
    [join(home, ".config/fish/config.fish"), "set -g fish_greeting\n"],
    [join(cwd, "docker-compose.yml"), "services:\n  app: {image: elixir, command: iex}\n"],
  ] as const) {
    await writeFile(file, content);
  }
  const tell = join(home, "bin/tell");
  await writeFile(tell, `#!/bin/sh\necho "$0 $*" >>"${join(cwd, "told")}"\nexit 1\n`);
  await chmod(tell, 0o755);
  const { url } = watcher;
  await writeFile(
    join(home, ".gitconfig"),
    `[user]
	name = Somebody
[url "git@github.com:"]
	insteadOf = https://github.com/
[url "ssh://git@github.com/owner/"]
	insteadOf = https://github.com/owner/
[url "${url}/x-access-token:T@github.com/owner/repo"]
	insteadOf = https://github.com/owner/repo
[url "https://github.com/"]
	insteadOf = gh:
[http]
	proxy = ${url}
	extraHeader = "Authorization: Basic c2VjcmV0"
	sslCAInfo = /nonexistent.pem
	sslVerify = false
	proactiveAuth = basic
	version = HTTP/2
[http "https://github.com/"]
	proxy = ${url}
[http "http://127.0.0.1"]
	proxy = ${url}
[protocol]
	allow = never
	version = 0
[protocol "http"]
	allow = never
[credential]
	helper = !${tell} helper
[core]
	askPass = ${tell}
	sshCommand = ${tell} ssh
[safe]
	bareRepository = explicit
[fetch]
	fsckObjects = true
`,
  );
  await writeFile(
    join(home, ".hex/hex.config"),
    `{offline,true}.
{http_timeout,20}.
{cooldown,<<"1d">>}.
{http_proxy,<<"${url}">>}.
{https_proxy,<<"${url}">>}.
{mirror_url,<<"${url}">>}.
{api_url,<<"${url}/api">>}.
{'$write_key',<<"s3cret">>}.
{'$repos',#{<<"hexpm">> => #{url => <<"${url}">>,auth_key => <<"s3cret">>},<<"acme">> => #{url => <<"${url}/acme">>}}}.
`,
  );
  await writeFile(
    join(home, ".config/rebar3/rebar.config"),
    '{plugins, [rebar3_nowhere]}.\n{offline, true}.\n{hex, [{repos, [#{name => <<"hexpm">>, repo_key => <<"s3cret">>}]}]}.\n',
  );
  environment = {
    HOME: home,
    LANG: "C.UTF-8",
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    http_proxy: url,
    https_proxy: url,
    ALL_PROXY: url.replace("http:", "socks5:"),
    NO_PROXY: ".corp.example",
    HEX_OFFLINE: "1",
    HEX_MIRROR: url,
    HEX_API_URL: url,
    HEX_API_KEY: "s3cret",
    HEX_CDN: url,
    HEX_BUILDS_URL: url,
    HEX_UNSAFE_REGISTRY: "1",
    REBAR_OFFLINE: "1",
    GIT_ALLOW_PROTOCOL: "ssh:https",
    GIT_PROTOCOL_FROM_USER: "0",
    GIT_SSL_NO_VERIFY: "1",
    GIT_SSH_COMMAND: `${tell} ssh`,
    GIT_ASKPASS: tell,
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.${url}/.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/",
  };
}

const exec = async (args: string[], env: Record<string, string> = {}) =>
  mirrorServer(["exec", "--port", "0", "--cache-dir", join(cwd, "cache"), ...args], {
    cwd,
    env: { ...environment, ...env },
  });

/** What people have written, and what `exec` has no business in. */
const ofHome = [
  ".gitconfig",
  ".config/git/config",
  ".hex/hex.config",
  ".config/rebar3/rebar.config",
  ".bashrc",
  ".profile",
  ".config/fish/config.fish",
];
const ofProject = ["mix.lock", "mix.exs", "docker-compose.yml", "rebar.config"];

async function written(): Promise<unknown> {
  const files = [...ofHome.map((file) => join(home, file)), ...ofProject.map((file) => join(cwd, file))];
  return Promise.all(files.map(async (file) => [file, await readFile(file, "utf8").catch(() => "none")]));
}

async function expectNobodyAsked(): Promise<void> {
  expect(watcher.log).toEqual([]);
  expect(await readdir(cwd)).not.toContain("told");
}

test.each([
  ["https://github.com/owner/repo.git"],
  ["https://github.com/owner/repo"],
  ["git@github.com:owner/repo.git"],
  ["ssh://git@github.com/owner/repo"],
  ["git://github.com/owner/repo.git"],
  ["gh:owner/repo"],
])("git, asked for %s", async (url) => {
  const before = await snapshot(home);
  const { code, stdout, stderr } = await exec(["--", "git", "ls-remote", url, "HEAD"]);
  expect([code, stdout]).toEqual([0, `${revision}\tHEAD\n`]);
  const off = "GIT_SSL_NO_VERIFY, HEX_UNSAFE_REGISTRY, http.sslverify";
  expect(stderr).toContain(`verification is on: ${off} would turn it off, and are taken out`);
  expect(await snapshot(home)).toEqual(before);
  await expectNobodyAsked();
});

test("git, by a rule that holds in one clone only", async () => {
  const script =
    `git init -q clone && git -C clone config url.${watcher.url}/.insteadOf https://github.com/owner/ && ` +
    "git -C clone ls-remote https://github.com/owner/repo.git HEAD";
  expect(await exec(["--", "sh", "-c", script])).toMatchObject({ code: 0, stdout: `${revision}\tHEAD\n` });
  await expectNobodyAsked();
});

test("what a rule begins with may hold a token: env does not print it", async () => {
  await writeFile(join(home, ".gitconfig"), '[url "git@github.com:"]\n\tinsteadOf = https://me:s3cret@github.com/\n');
  const args = ["env", "--port", "9", "--cache-dir", join(cwd, "cache")];
  const { code, stdout } = await mirrorServer(args, { cwd, env: { ...environment, HEX_MIRROR: "http://me:s3cret@x" } });
  expect(code).toBe(0);
  expect(stdout).not.toContain("s3cret");
});

test.skipIf(!isInstalled("rebar3", "--version"))("rebar3: packages, and what it knows of them", async () => {
  await mkdir(join(cwd, "app/src"), { recursive: true });
  await writeFile(join(cwd, "app/rebar.config"), '{deps, [{beta, "2.1.0"}]}.\n');
  const source = '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n';
  await writeFile(join(cwd, "app/src/app.app.src"), source);
  const before = await written();
  const { code, stdout, stderr } = await exec(["--", "sh", "-c", "cd app && rebar3 get-deps && rebar3 pkgs beta"]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/Fetching beta v2\.1\.0[^]*2\.1\.0/)]);
  expect(stderr).toContain("rebar3's plugins for all projects (rebar3_nowhere) are left out");
  expect(await written()).toEqual(before);
  await expectNobodyAsked();
});

describe.skipIf(archives === undefined)("Mix and Hex (skipped where `mix local.hex` has not been run)", () => {
  const ofMix = () => ({ MIX_HOME: join(cwd, "mix"), MIX_ARCHIVES: archives ?? "", ...rebar3ForMix() });

  beforeEach(async () => {
    await writeFile(
      join(cwd, "mix.exs"),
      `defmodule App.MixProject do
         use Mix.Project
         def project, do: [app: :app, version: "0.1.0", deps: [
           {:beta, "~> 2.0"},
           {:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}
         ]]
       end\n`,
    );
  });

  test("fetch everything from the mirror, with the user's own terms in force", async () => {
    const before = await written();
    const script = "mix deps.get && mix hex.config http_timeout && mix hex.config cooldown";
    const { code, stdout, stderr } = await exec(["--", "sh", "-c", script], ofMix());
    expect([code, stderr]).toEqual([0, expect.stringContaining("everything is here")]);
    expect(stdout).toContain("* Getting beta (Hex package)");
    expect(stdout).toMatch(/^20\n"1d"$/m);
    expect(stderr).toContain("of Hex's repositories that you have the mirror lacks acme");
    expect((await readdir(join(home, ".hex/packages/hexpm"))).sort()).toEqual(["alpha-1.0.0.tar", "beta-2.1.0.tar"]);
    expect(await written()).toEqual(before);
    await expectNobodyAsked();
  });

  test("a policy of the user's is asked of the mirror, and what the mirror lacks is named", async () => {
    const { code, stdout, stderr } = await exec(["--", "mix", "deps.get"], {
      ...ofMix(),
      HEX_POLICY: "hexpm:acme/strict",
    });
    expect([code, stdout + stderr]).toEqual([expect.any(Number), expect.stringContaining("policy")]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("the mirror lacks the policy hexpm:acme/strict: ");
    await expectNobodyAsked();
  });
});
