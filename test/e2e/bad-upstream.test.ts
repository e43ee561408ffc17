/** What the user reads when upstream fails: causes, each once; what there is all the same; and advice that fits. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { startServer } from "../support/cli.ts";
import { lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";
import { startSilent } from "../support/upstreams.ts";

const tarballs = Array.from({ length: 12 }, (_, n) => makeTarball({ name: `package${n}`, version: "1.0.0" }));

let cwd: string;
let hex: HexUpstream;
let key: string;

beforeEach(async () => {
  cwd = join(await temporaryFolder(), "my_app");
  await mkdir(cwd);
  hex = await startHexUpstream(tarballs);
  key = await hex.writePublicKey(join(cwd, "key.pem"));
  await writeFile(join(cwd, "mix.lock"), mixLock(tarballs));
});

const sync = async (url = hex.url, ...args: string[]) =>
  mirrorHere(["sync", "--hex-url", url, "--hex-public-key", key, ...args], { cwd });
const lastLines = (text: string, count: number) => text.trimEnd().split("\n").slice(-count);

describe("an upstream that is away", () => {
  test("is one line for all that it concerns, and what there is all the same is told", async () => {
    const down = "http://127.0.0.1:9";
    const empty = await sync(down);
    expect([empty.code, lastLines(empty.stderr, 1)]).toEqual([
      1,
      ["127.0.0.1:9 cannot be reached (connect ECONNREFUSED 127.0.0.1:9): 12 packages not fetched"],
    ]);
    const [missing, advice] = lastLines(empty.stdout, 2);
    expect(missing).toMatch(/^the mirror lacks 12 of the 12 that my_app names: package0 1\.0\.0, .* and 7 more$/);
    expect(advice).toMatch(/^check the network and run the same command again.*--deadline/);
    expect((await sync()).code).toBe(0);
    const held = await sync(down, "--new-upstream-key");
    expect([held.code, lastLines(held.stdout, 2)[0]]).toEqual([
      1,
      "the mirror holds all 12 that my_app names: you can work offline",
    ]);
  });

  test("that takes connections and never answers is told within 15 s, and not tried for the rest", async () => {
    const { url: silent } = await startSilent();
    const { host } = new URL(silent);
    const began = Date.now();
    const { code, stderr, stdout } = await sync(silent);
    // A machine under load is slow; one batch of eight after the other would take longer by far.
    expect(Date.now() - began).toBeLessThan(30_000);
    expect([code, stderr]).toEqual([
      1,
      `warning: ${host} does not answer\n${host} does not answer: 12 packages not tried\n`,
    ]);
    expect(lastLines(stdout, 1)[0]).toMatch(/^check the network/);
  }, 60_000);

  test("is waited for until --deadline, and no longer", async () => {
    const { url: silent } = await startSilent();
    const { code, stderr, stdout } = await sync(silent, "--deadline", "2s", "--concurrency", "8");
    expect([code, stderr]).toEqual([
      1,
      "the time that --deadline gives is over: 12 packages not fetched, 4 of them not tried\n",
    ]);
    expect(lastLines(stdout, 1)[0]).toMatch(/a longer --deadline or none/);
    const wrong = await sync(silent, "--deadline", "soon");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/--deadline.*give a time such as 90s/)]);
  });
});

test("one host that is silent until the deadline takes nothing from the others", async () => {
  const { url: silent, port } = await startSilent();
  const gone = Array.from({ length: 24 }, (_, n) => makeTarball({ name: `gone${n}`, version: "1.0.0" }));
  const entries = gone.map((tarball) => lockEntry(tarball, "", "corp"));
  await writeFile(join(cwd, "mix.lock"), mixLock(tarballs.slice(0, 5), entries));
  const args = ["--repo", `corp=${silent},${key}`, "--deadline", "14s"];
  const { code, stdout, stderr } = await sync(hex.url, ...args);
  expect([code, stdout]).toEqual([1, expect.stringMatching(/^added 5, .*failed 24/m)]);
  expect(stderr).toMatch(new RegExp(`127\\.0\\.0\\.1:${port} does not answer; it is tried again until the deadline`));
}, 60_000);

test("what is damaged at upstream is told by its name, and the advice is not to run it again for ever", async () => {
  hex.files.set("/tarballs/package3-1.0.0.tar", Buffer.from("damaged"));
  const { code, stderr, stdout } = await sync();
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/^failed package3 1\.0\.0: .*package3-1\.0\.0\.tar is not/m),
  ]);
  expect(lastLines(stdout, 2)[0]).toBe("the mirror lacks 1 of the 12 that my_app names: package3 1.0.0");
  // Twice in a round, and in one round more.
  expect(hex.log.filter((line) => line.includes("package3-1.0.0.tar"))).toHaveLength(4);
});

test("what upstream does not have is asked for once, and the advice is to look at the lock", async () => {
  hex.files.delete("/packages/package3");
  const { code, stdout } = await sync();
  expect([code, lastLines(stdout, 1)[0]]).toEqual([1, expect.stringMatching(/see whether the lock is right/)]);
  expect(hex.log.filter((line) => line.includes("/packages/package3"))).toHaveLength(1);
});

test("what fails and comes in a later round is no failure, and counts once", async () => {
  let refused = 0;
  hex.intercept = (request, response) => {
    // More often than one round tries.
    if (request.url !== "/packages/package3" || refused === 5) return false;
    refused += 1;
    response.writeHead(503).end();
    return true;
  };
  const result = JSON.parse((await sync(hex.url, "--json")).stdout) as Record<string, unknown>;
  expect(result).toMatchObject({ added: 12, updated: 0, unchanged: 0, failed: [] });
  expect(result).not.toHaveProperty("coverage");
});

test("in JSON, each failure says its cause and whom it is about", async () => {
  const result = JSON.parse((await sync("http://127.0.0.1:9", "--json")).stdout) as {
    failed: readonly object[];
    coverage: { wanted: number; missing: readonly object[] };
  };
  expect(result.failed).toHaveLength(12);
  expect(result.failed[0]).toMatchObject({ cause: "unreachable", host: "127.0.0.1:9" });
  expect(result.coverage).toMatchObject({ wanted: 12, damaged: [] });
  expect(result.coverage.missing).toHaveLength(12);
});

test("repositories that differ in case are two where the host does not say otherwise, and .github is one's name", async () => {
  const root = join(cwd, "upstream");
  const commits: string[] = [];
  for (const [n, name] of ["Repo", "repo", ".github"].entries()) {
    commits.push(await makeRepository(join(root, "o", `${name}.git`), { "README.md": `number ${n}\n` }));
  }
  const upstream = await startGitUpstream(root);
  const lock = (host: string) =>
    `%{${["Repo", "repo", ".github"].map((name, n) => `"a${n}": {:git, "https://${host}/o/${name}.git", "${commits[n]}", []}`).join(", ")}}`;
  const env = redirectGit({ "https://git.corp/": `${upstream.url}/` });
  await writeFile(join(cwd, "mix.lock"), lock("git.corp"));
  expect(await mirrorHere(["sync"], { cwd, env })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^added 3/),
  });
  expect((await mirrorHere(["verify"], { cwd })).code).toBe(0);
  const server = await startServer([], { cwd });
  for (const [n, name] of ["Repo", "repo", ".github"].entries()) {
    const listed = await git(cwd, ["ls-remote", `${server.url}/git.corp/o/${name}.git`, "refs/heads/main"]);
    expect(listed).toBe(`${commits[n]}\trefs/heads/main`);
  }
});
