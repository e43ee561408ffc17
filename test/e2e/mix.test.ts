/** Mix, whose git dependencies need no Hex; and Hex itself where it is installed. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { hexArchives, isInstalled, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, mixLock } from "../support/tarballs.ts";

const hasMix = isInstalled("mix", "--version");
const archives = hasMix ? hexArchives() : undefined;
let cwd: string;
let work: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  work = join(cwd, "upstream/owner/repo.git");
});

/** An app whose dependencies are these, with a lock. */
async function writeApp(deps: string[], lock: string): Promise<string> {
  const app = join(cwd, "app");
  await mkdir(app, { recursive: true });
  await writeFile(
    join(app, "mix.exs"),
    `defmodule App.MixProject do
       use Mix.Project
       def project, do: [app: :app, version: "0.1.0", deps: [${deps.join(", ")}]]
     end\n`,
  );
  await writeFile(join(app, "mix.lock"), lock);
  return app;
}

/** Resolves github.com to the mirror's HTTPS listener, whatever its port: what an alias in compose does. */
function clientEnvironment(server: RunningServer): Record<string, string> {
  return {
    HOME: cwd,
    MIX_HOME: join(cwd, "mix"),
    ...gitEnvironment,
    GIT_SSL_CAINFO: join(cwd, "certs/ca.pem"),
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: `url.https://github.com:${server.tlsPort}/.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/",
    GIT_CONFIG_KEY_1: "http.curloptResolve",
    GIT_CONFIG_VALUE_1: `github.com:${server.tlsPort}:127.0.0.1`,
  };
}

describe.skipIf(!hasMix)("mix deps.get of git dependencies at https://github.com/…", () => {
  test.each([
    ["no option", "", "[]"],
    ["a branch", ', branch: "dev"', '[branch: "dev"]'],
    ["a tag", ', tag: "v1"', '[tag: "v1"]'],
    ["a ref", ', ref: "REVISION"', '[ref: "REVISION"]'],
    ["sparse", ', sparse: "sub"', '[sparse: "sub"]'],
  ])("with %s", async (_, option, locked) => {
    const revision = await makeRepository(work, { "README.md": "hello\n", "sub/x.txt": "x\n" });
    await git(work, ["branch", "dev"]);
    await git(work, ["tag", "v1"]);
    await commit(work, { "later.txt": "later\n" }, "later");
    await expectFetched(revision, option.replace("REVISION", revision), locked.replace("REVISION", revision));
  });

  test("with a commit that a force-push took from its branch", async () => {
    const first = await makeRepository(work);
    const lost = await commit(work, { "lost.txt": "lost\n" }, "lost");
    const app = await syncApp(lost, "", "[]");
    await git(work, ["reset", "-q", "--hard", first]);
    await commit(work, { "other.txt": "other\n" }, "other");
    await git(work, ["reflog", "expire", "--expire=now", "--all"]);
    await git(work, ["gc", "-q", "--prune=now"]);
    await syncApp(lost, "", "[]");
    await expectDeps(app, lost);
  });

  async function expectFetched(revision: string, option: string, locked: string) {
    await expectDeps(await syncApp(revision, option, locked), revision);
  }

  async function syncApp(revision: string, option: string, locked: string): Promise<string> {
    const app = await writeApp(
      [`{:repo, git: "https://github.com/owner/repo.git", app: false, compile: false${option}}`],
      mixLock([], [`"repo": {:git, "https://github.com/owner/repo.git", "${revision}", ${locked}}`]),
    );
    const upstream = await startGitUpstream(join(cwd, "upstream"));
    const env = redirectGit({ "https://github.com/": `${upstream.url}/` });
    expect(await mirrorServer(["sync", app], { cwd, env })).toMatchObject({ code: 0 });
    return app;
  }

  async function expectDeps(app: string, revision: string): Promise<void> {
    const server = await startServer([], { cwd });
    const { code, output } = await runClient("mix", ["deps.get"], { cwd: app, env: clientEnvironment(server) });
    expect([code, output]).toEqual([0, expect.stringContaining("repo")]);
    expect(await git(join(app, "deps/repo"), ["rev-parse", "HEAD"])).toBe(revision);
    expect(server.log()).toContain('"host":"github.com:');
  }
});

describe.skipIf(archives === undefined)("Hex (skipped where `mix local.hex` has not been run)", () => {
  const entry =
    `"beta": {:hex, :beta, "2.1.0", "${beta.innerChecksum}", [:rebar3], ` +
    `[{:alpha, "~> 1.0", [hex: :alpha, repo: "hexpm", optional: false]}, ` +
    `{:gamma, "~> 3.0", [hex: :gamma, repo: "hexpm", optional: true]}], "hexpm", "${beta.outerChecksum}"}`;

  test("mix deps.get fetches packages and repositories, verified, quietly", async () => {
    const revision = await makeRepository(work);
    const app = await writeApp(
      ['{:beta, "~> 2.0"}', '{:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}'],
      mixLock([alpha], [entry, `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`]),
    );
    const lock = await readFile(join(app, "mix.lock"), "utf8");
    const hex = await startHexUpstream([alpha, beta]);
    const upstream = await startGitUpstream(join(cwd, "upstream"));
    const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
    const env = redirectGit({ "https://github.com/": `${upstream.url}/` });
    const synced = await mirrorServer(["sync", app, "--hex-url", hex.url, "--hex-public-key", key], { cwd, env });
    expect(synced).toMatchObject({ code: 0 });
    const server = await startServer([], { cwd });

    const client = {
      ...clientEnvironment(server),
      MIX_ARCHIVES: archives ?? "",
      HEX_HOME: join(cwd, "hex_home"),
      HEX_MIRROR: server.url,
    };
    const publicKey = join(cwd, ".mirror/hex/public_key");
    const set = await runClient("mix", ["hex.repo", "set", "hexpm", "--public-key", publicKey], {
      cwd: app,
      env: client,
    });
    expect(set).toMatchObject({ code: 0 });
    const { code, output } = await runClient("mix", ["deps.get"], { cwd: app, env: client });
    expect([code, output]).toEqual([0, expect.stringContaining("* Getting beta (Hex package)")]);
    expect(output).not.toMatch(/fail|warning|unexpected/i);
    expect(await readFile(join(app, "deps/alpha/src/alpha.erl"), "utf8")).toContain("1.0.0");
    expect(await git(join(app, "deps/repo"), ["rev-parse", "HEAD"])).toBe(revision);
    // The lock asked for exactly this, so it stays as it was.
    const entries = (text: string) => text.replace(/\s|,(?=\})/g, "");
    expect(entries(await readFile(join(app, "mix.lock"), "utf8"))).toBe(entries(lock));
  });
});
