/** Folders of the stack that we replace, served and updated where they are. */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { mirrorServer, startServer } from "../support/cli.ts";
import { fixtures, snapshot, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

let cwd: string;
let revision: string;
const folders = ["--hex-dir", ".hex_repo", "--git-dir", ".git_repo", "--private-key", "private_key.pem"];

beforeEach(async () => {
  cwd = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(cwd, ".hex_repo"), { recursive: true });
  await cp(join(fixtures, "golden/private_key.pem"), join(cwd, "private_key.pem"));
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  await mkdir(join(cwd, ".git_repo/owner"), { recursive: true });
  await git(cwd, ["clone", "-q", "--bare", "upstream/owner/repo.git", ".git_repo/owner/repo.git"]);
  // Committed to git and checked out again, its empty folders are gone.
  await rm(join(cwd, ".git_repo/owner/repo.git/refs"), { recursive: true });
});

test("are served in place, without a byte of the registry changing", async () => {
  const before = await snapshot(join(cwd, ".hex_repo"));
  const server = await startServer(folders, { cwd });
  const health = await (await fetch(`${server.url}/health`)).json();
  expect(health).toMatchObject({ status: "ok", hex: { packages: 5, releases: 10 }, git: { repositories: 1 } });
  const answer = await fetch(`${server.url}/packages/alder`);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(await readFile(join(cwd, ".hex_repo/packages/alder")));
  await git(cwd, ["clone", "-q", `${server.url}/owner/repo.git`, "clone"]);
  expect(await git(join(cwd, "clone"), ["rev-parse", "HEAD"])).toBe(revision);
  expect(await snapshot(join(cwd, ".hex_repo"))).toEqual(before);
});

test("are built in place with their own key; without it nothing is signed anew", async () => {
  const built = await mirrorServer(["build", ...folders], { cwd });
  // The times in `names` were those of files; the rest is as Hex built it.
  expect(built.stdout).toBe("registry: 5 packages, 10 releases; wrote 1 files\n");
  const refused = await mirrorServer(["build", "--hex-dir", ".hex_repo"], { cwd });
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("signed with a key that is not here") });
});

test("are updated in place by sync, in their own layout", async () => {
  const second = await commit(join(cwd, "upstream/owner/repo.git"), { "b.txt": "b" }, "second");
  await writeFile(
    join(cwd, "mix.lock"),
    mixLock([], [`"repo": {:git, "https://github.com/Owner/repo.git", "${second}", []}`]),
  );
  const { url } = await startGitUpstream(join(cwd, "upstream"));
  const env = redirectGit({ "https://github.com/Owner/": `${url}/owner/` });
  expect(await mirrorServer(["sync", ...folders], { cwd, env })).toMatchObject({ code: 0 });
  expect(await git(join(cwd, ".git_repo/owner/repo.git"), ["rev-parse", "main"])).toBe(second);
  expect(await mirrorServer(["verify", ...folders.slice(0, 4)], { cwd })).toMatchObject({ code: 0 });
});
