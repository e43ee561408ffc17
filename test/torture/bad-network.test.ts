/** A sample of what `npm run bench -- bad-network` tries at length: 30 % of answers go wrong, and one sync brings everything. */
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { faults, startBadNetwork, type Fault } from "../support/bad-network.ts";
import { mirrorServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository } from "../support/git.ts";
import { makeHexFiles } from "../support/hex-files.ts";
import { makeTarball, mixLock } from "../support/tarballs.ts";

// The others are waited for as long as people would.
const quick = faults.filter((fault) => fault !== "stalls" && fault !== "trickles");

test.each<[string, readonly Fault[], number]>([
  ["resets", ["resets"], 1],
  ["corrupt", ["corrupt"], 4],
  ["all that make nobody wait", quick, 1],
  ["all that make nobody wait", quick, 2],
])("%s: everything comes, and nothing damaged stays (seed $2)", async (_, mix, seed) => {
  const cwd = await temporaryFolder();
  const tarballs = Array.from({ length: 25 }, (_unused, n) =>
    makeTarball({ name: `package${n}`, version: "1.0.0", files: { "src/a.erl": `${n}`.repeat(5000) } }),
  );
  const { files, publicKey } = await makeHexFiles(tarballs);
  const gitRoot = join(cwd, "git");
  await mkdir(gitRoot);
  const commits = await Promise.all([0, 1].map(async (n) => makeRepository(join(gitRoot, `o/r${n}.git`))));
  const network = await startBadNetwork({ files, gitRoot, mix, share: 0.3, seed });
  onTestFinished(() => network.close());
  await writeFile(join(cwd, "key.pem"), publicKey);
  const git = commits.map((commit, n) => `"g${n}": {:git, "${network.url}/git/o/r${n}.git", "${commit}", []}`);
  await writeFile(join(cwd, "mix.lock"), mixLock(tarballs, git));
  const args = ["--hex-url", network.url, "--hex-public-key", "key.pem"];
  expect(await mirrorServer(["sync", ...args], { cwd })).toMatchObject({ code: 0 });
  expect(network.answers().bad).toBeGreaterThan(10);
  expect(await mirrorServer(["verify", "--deep", "--hex-public-key", "key.pem"], { cwd })).toMatchObject({ code: 0 });
  expect(await readdir(join(cwd, ".mirror"))).not.toContain("quarantine");
  for (const { name, bytes } of tarballs) {
    expect(await readFile(join(cwd, `.mirror/hex/tarballs/${name}-1.0.0.tar`))).toEqual(bytes);
  }
});
