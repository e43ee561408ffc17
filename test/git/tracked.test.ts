/** Does git keep a file? Told from the index alone, whatever kind of repository it is. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { isTracked } from "../../src/git/tracked.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git } from "../support/git.ts";

async function environments() {
  const made = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => made.remove());
  return made;
}

test.each(["sha1", "sha256"])("in a %s repository, its work trees, and by a link", async (format) => {
  const dir = await temporaryFolder();
  const top = join(dir, "top");
  await mkdir(join(top, "certs"), { recursive: true });
  await git(top, ["init", "--quiet", `--object-format=${format}`]);
  await writeFile(join(top, "certs/*.key"), "kept");
  await writeFile(join(top, "certs/other.key"), "not kept");
  await git(top, ["add", "--", ":(literal)certs/*.key"]);
  await git(top, ["commit", "--quiet", "--message", "key"]);
  await git(top, ["worktree", "add", "--quiet", join(dir, "tree")]);
  await symlink(join(top, "certs/*.key"), join(dir, "link.key"));
  await symlink(top, join(dir, "way"));
  const tools = await environments();
  const found = async (path: string) => isTracked(join(dir, path), async () => tools);
  expect(await found("top/certs/*.key")).toBe(true);
  expect(await found("way/certs/*.key")).toBe(true);
  expect(await found("tree/certs/*.key")).toBe(true);
  expect(await found("link.key")).toBe(true);
  // By its name, not by a pattern.
  expect(await found("top/certs/other.key")).toBe(false);
  expect(await found("nowhere.key")).toBe(false);
});

test("nothing that the repository says is acted upon", async () => {
  const dir = await temporaryFolder();
  await git(dir, ["init", "--quiet"]);
  await writeFile(join(dir, "key"), "kept");
  await git(dir, ["add", "key"]);
  await git(dir, ["config", "core.fsmonitor", `touch ${join(dir, "ran")}; false`]);
  await git(dir, ["config", "core.worktree", "/nonexistent"]);
  expect(await isTracked(join(dir, "key"), environments)).toBe(true);
  expect(await isTracked(join(dir, "ran"), environments)).toBe(false);
});
