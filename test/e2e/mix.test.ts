/** Mix, whose git dependencies need no Hex. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { githubAt, isInstalled, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

const hasMix = isInstalled("mix", "--version");
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

function clientEnvironment(server: RunningServer): Record<string, string> {
  return {
    HOME: cwd,
    MIX_HOME: join(cwd, "mix"),
    ...gitEnvironment,
    ...githubAt(server.tlsPort, join(cwd, "certs/ca.pem")),
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
