/** What no lock names, what is no longer needed, what is damaged: `--package`, `prune`, `status`, `verify --deep`. */
import { appendFile, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { damageObject } from "../support/damage.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const plugin = makeTarball({ name: "plugin", version: "7.0.8" });
const newer = makeTarball({ name: "alpha", version: "1.1.0" });
const docs = (text: string) => Buffer.from(gzipSync(text));

let cwd: string;
let hex: HexUpstream;
let key: string;
let env: Record<string, string>;
let revision: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, newer, beta, plugin]);
  hex.files.set("/docs/alpha-1.0.0.tar.gz", docs("documentation"));
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  await lock("one", mixLock([alpha, beta], [`"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`]));
  await lock("two", mixLock([newer]));
});

const lock = async (name: string, content: string, file = "mix.lock") => {
  await mkdir(join(cwd, name), { recursive: true });
  await writeFile(join(cwd, name, file), content);
};
const run = (command: string, ...args: string[]) => mirrorHere([command, ...args], { cwd, env });
const sync = (...args: string[]) => run("sync", "--hex-url", hex.url, "--hex-public-key", key, ...args);
const mirror = (path: string) => join(cwd, ".mirror", path);
const tarballs = () => readdir(mirror("hex/tarballs"));

describe("what no lock names", () => {
  test("--package fetches it, without any lock, and it stays known", async () => {
    const { code, stdout } = await sync("--package", "plugin@7.0.8", "--package", "alpha@1.1.0");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^added 2,/)]);
    expect((await sync("one")).code).toBe(0);
    await sync("--package", "plugin@7.0.8");
    expect((await run("verify")).stdout).toMatch(/^complete and intact: 5 checked for \+packages, one\n$/);
    expect((await run("prune")).stdout).toMatch(/^removed 0, 0 B\n$/);
  });

  test("packages in the configuration are the same", async () => {
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ packages: ["plugin@7.0.8"] }));
    expect((await sync()).stdout).toMatch(/^added 1,/);
    await rm(mirror("hex/tarballs/plugin-7.0.8.tar"));
    expect((await run("verify", "one")).stdout).toMatch(/missing plugin 7\.0\.8 \(lock \+packages\)/);
  });

  test("one that is held is not forgotten because somebody on the way says that there is none", async () => {
    await sync("--package", "plugin@7.0.8");
    hex.intercept = (_request, response) => {
      response.writeHead(404, { "content-type": "text/html" }).end("<html>blocked</html>");
      return true;
    };
    expect((await sync("--package", "plugin@7.0.8")).code).toBe(1);
    expect((await run("status")).stdout).toMatch(/--package: covered, 1 packages/);
    expect((await run("prune")).stdout).toMatch(/^removed 0, 0 B\n$/);
  });

  test("one that upstream does not have is not asked for ever after", async () => {
    expect((await sync("--package", "plugin@9.9.9")).code).toBe(1);
    expect((await sync("--package", "plugin@7.0.8")).code).toBe(0);
    expect((await run("status")).stdout).toMatch(/--package: covered, 1 packages/);
    // One that could not be asked for just now stays asked for.
    const offline = await run(
      "sync",
      "--hex-url",
      "http://127.0.0.1:9",
      "--hex-public-key",
      key,
      "--package",
      "alpha@1.1.0",
    );
    expect(offline.code).toBe(1);
    expect((await sync("--package", "plugin@7.0.8")).code).toBe(0);
    expect(await tarballs()).toContain("alpha-1.1.0.tar");
  });

  test.each([
    ["plugin", /--package <name@version>: "plugin" is not allowed; give NAME@VERSION/],
    ["../x@1.0.0", /is not allowed/],
    ["plugin@latest", /is not allowed/],
  ])("%s is refused", async (text, message) => {
    const { code, stderr } = await sync("--package", text);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test("a rebar.lock is a lock like others, beside a mix.lock too", async () => {
    const rebarLock = `{"1.2.0",[{<<"plugin">>,{pkg,<<"plugin">>,<<"7.0.8">>},0}]}.
[{pkg_hash,[{<<"plugin">>,<<"${plugin.innerChecksum.toUpperCase()}">>}]},
 {pkg_hash_ext,[{<<"plugin">>,<<"${plugin.outerChecksum.toUpperCase()}">>}]}].`;
    await lock("two", rebarLock, "rebar.lock");
    expect((await sync("two")).stdout).toMatch(/^added 2,/);
    expect(await readdir(mirror("locks"))).toEqual(["two-rebar.json", "two.json"]);
    await lock("three", rebarLock.replace(/<<"[0-9A-F]{64}">>/g, `<<"${"0".repeat(64)}">>`), "rebar.lock");
    const wrong = await sync("three");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("not the one in the lock three-rebar")]);
  });
});

describe("sync --if-changed", () => {
  const ifChanged = (...args: string[]) => sync("--if-changed", "one", "two", ...args);

  test("is silent and asks nobody while the locks are as they were and all is here", async () => {
    expect((await ifChanged()).stdout).toMatch(/^added 4,/);
    const before = await snapshot(mirror(""));
    hex.log.length = 0;
    expect(await ifChanged()).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(hex.log).toEqual([]);
    expect(await snapshot(mirror(""))).toEqual(before);
  });

  test("syncs when a lock has changed, a package was asked for, or something is gone", async () => {
    await ifChanged();
    await lock("two", mixLock([newer, plugin]));
    expect((await ifChanged()).stdout).toMatch(/^added 1,/);
    expect((await ifChanged("--package", "plugin@7.0.8")).stdout).toMatch(/^added 0,/);
    expect((await ifChanged("--package", "plugin@7.0.8")).stdout).toBe("");
    await rm(mirror("hex/tarballs/beta-2.1.0.tar"));
    expect((await ifChanged()).stdout).toMatch(/^added 1,/);
    await rm(mirror("git/github.com/owner/repo.git"), { recursive: true });
    expect((await ifChanged()).stdout).toMatch(/^added 1,/);
    expect((await ifChanged()).stdout).toBe("");
  });

  test("syncs when documentation is asked for, and not ever after where there is none", async () => {
    hex.files.delete("/docs/alpha-1.0.0.tar.gz");
    await ifChanged();
    expect((await ifChanged("--docs")).stdout).toMatch(/^added 0,/);
    expect((await ifChanged("--docs")).stdout).toBe("");
  });

  test("tries again what failed, a commit that upstream lacked for a while too", async () => {
    const later = "1".repeat(40);
    await lock("one", mixLock([], [`"repo": {:git, "https://github.com/owner/repo.git", "${later}", []}`]));
    expect((await ifChanged()).code).toBe(1);
    expect((await ifChanged()).code).toBe(1);
  });

  test("tries again when the registry could not be signed", async () => {
    await ifChanged();
    await lock("one", mixLock([newer, beta]));
    // What is in the way of the new record cannot be replaced by a file.
    const record = mirror("hex/packages/alpha");
    const held = await readFile(record);
    await rm(record);
    await mkdir(join(record, "in the way"), { recursive: true });
    const failed = await sync("one");
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/the registry: cannot write .*alpha/)]);
    await rm(record, { recursive: true });
    await writeFile(record, held);
    expect((await ifChanged()).stdout).toMatch(/^added 0,/);
    expect((await run("verify")).code).toBe(0);
  });

  test("fetches a submodule's repository that is gone", async () => {
    const inner = await makeRepository(join(cwd, "upstream/owner/inner.git"));
    const outer = join(cwd, "upstream/owner/outer.git");
    await makeRepository(outer);
    await writeFile(join(outer, ".gitmodules"), '[submodule "x"]\n\tpath = x\n\turl = ../inner.git\n');
    await git(outer, ["update-index", "--add", "--cacheinfo", `160000,${inner},x`]);
    await git(outer, ["add", ".gitmodules"]);
    await git(outer, ["commit", "-q", "-m", "submodule"]);
    const head = await git(outer, ["rev-parse", "HEAD"]);
    const url = "https://github.com/owner/outer.git";
    await lock("two", mixLock([newer], [`"outer": {:git, "${url}", "${head}", [submodules: true]}`]));
    await ifChanged();
    await rm(mirror("git/github.com/owner/inner.git"), { recursive: true });
    expect((await ifChanged()).stdout).toMatch(/^added 1,/);
    expect((await ifChanged()).stdout).toBe("");
  });

  test("tries again a tarball that failed", async () => {
    const bytes = hex.files.get("/tarballs/beta-2.1.0.tar") ?? Buffer.alloc(0);
    hex.files.delete("/tarballs/beta-2.1.0.tar");
    expect((await ifChanged()).code).toBe(1);
    hex.files.set("/tarballs/beta-2.1.0.tar", bytes);
    expect((await ifChanged()).stdout).toMatch(/^added 1,/);
  });
});

test("a lock is not given the name of another that is still there", async () => {
  await lock("x/one", mixLock([plugin]));
  await sync("one");
  const { code, stderr } = await sync("x/one", "--lock-name", "one");
  expect([code, stderr]).toEqual([
    2,
    expect.stringMatching(/the mirror knows .*\/one\/mix\.lock as "one"; give .*--lock-name/),
  ]);
  await rm(join(cwd, "one"), { recursive: true });
  expect((await sync("x/one", "--lock-name", "one")).code).toBe(0);
});

test("verify tells what nothing can be mirrored for, which is no success but for the project's own", async () => {
  await lock("one", mixLock([alpha], ['"old": {:svn, "https://example.org/old", "12"}']));
  expect((await sync("one")).code).toBe(0);
  const { code, stdout } = await run("verify", "one");
  expect([code, stdout]).toEqual([
    3,
    "skipped old (lock one): source :svn is neither Hex nor git\n" +
      "0 missing, 0 damaged, 1 that cannot be mirrored of 2 for one\n",
  ]);
  const skipped = [{ lock: "one", app: "old", reason: expect.any(String) as string, isPath: false }];
  expect(JSON.parse((await run("verify", "one", "--json")).stdout)).toMatchObject({ ok: false, checked: 1, skipped });
  await lock("one", mixLock([alpha], ['"own": {:path, "../own"}']));
  await sync("one");
  const own = await run("verify", "one");
  expect([own.code, own.stdout]).toEqual([
    0,
    expect.stringMatching(/skipped own .*\ncomplete and intact: 1 checked for one, besides 1 of the project's own\n/),
  ]);
});

test("a registry that clients could not read is found, whatever the locks say", async () => {
  await sync("one");
  await writeFile(mirror("hex/names"), "garbage");
  const { code, stdout } = await run("verify", "one");
  expect([code, stdout]).toEqual([3, expect.stringMatching(/damaged the registry: the registry cannot be served/)]);
});

test("a command on a mirror that is not there makes none", async () => {
  for (const command of [["prune"], ["verify", "one", "--deep"]]) {
    const { code, stderr } = await run(...(command as [string]), "--mirror", "typo");
    expect([code, stderr]).toEqual([2, expect.stringContaining("typo")]);
  }
  expect(await readdir(cwd)).not.toContain("typo");
});

describe("of projects whose folders have one name", () => {
  const names = async () => {
    const { locks } = JSON.parse((await run("status", "--json")).stdout) as { locks: { name: string }[] };
    return locks.map(({ name }) => name).toSorted();
  };

  test("each lock has a name, and keeps it, however it is named later", async () => {
    await lock("x/app", mixLock([alpha]));
    await lock("y/x/app", mixLock([plugin]));
    await lock("z/x/app", mixLock([alpha, plugin]));
    expect((await sync("x/app")).code).toBe(0);
    expect((await sync("y/x/app", "z/x/app")).code).toBe(0);
    expect(await names()).toEqual(["app", "x-app", "x-app-2"]);
    await symlink(join(cwd, "y/x/app"), join(cwd, "link"));
    for (const given of [["z/x/app", "x/app"], ["y/x/app"], ["link"]]) expect((await sync(...given)).code).toBe(0);
    expect(await names()).toEqual(["app", "x-app", "x-app-2"]);
    expect((await run("why", "plugin")).stdout).toMatch(/^ {2}x-app names it.*\n {2}x-app-2 names it/m);
  });

  test("a name that is free again is given again", async () => {
    await lock("x/app", mixLock([alpha]));
    expect((await sync("x/app")).code).toBe(0);
    await rename(join(cwd, "x"), join(cwd, "moved"));
    expect((await sync("moved/app")).code).toBe(0);
    expect(await names()).toEqual(["app"]);
  });
});

describe("documentation", () => {
  test("--docs fetches what upstream has, asks for changes, and a package without any is no failure", async () => {
    expect((await sync("--docs", "one")).stdout).toMatch(/^added 4, .*failed 0/);
    expect(await readdir(mirror("hex/docs"))).toEqual(["alpha-1.0.0.tar.gz"]);
    const before = await snapshot(mirror(""));
    expect((await sync("--docs", "one")).stdout).toMatch(/^added 0, updated 0,/);
    expect(hex.log.filter((line) => line.includes("/docs/alpha"))).toEqual([
      "200 /docs/alpha-1.0.0.tar.gz",
      "304 /docs/alpha-1.0.0.tar.gz",
    ]);
    expect(await snapshot(mirror(""))).toEqual(before);
    hex.files.set("/docs/alpha-1.0.0.tar.gz", docs("published again"));
    expect((await sync("--docs", "one")).stdout).toMatch(/^added 0, updated 1,/);
    const server = await startServer(["--no-tls"], { cwd });
    for (const prefix of ["", "/repo.hex.pm"]) {
      const answer = await fetch(`${server.url}${prefix}/docs/alpha-1.0.0.tar.gz`);
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(docs("published again"));
    }
  });

  test("what is no gzip is refused", async () => {
    hex.files.set("/docs/alpha-1.0.0.tar.gz", Buffer.from("no gzip"));
    const { code, stderr } = await sync("--docs", "one");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/documentation of alpha 1\.0\.0: .* is damaged/)]);
  });
});

describe("prune", () => {
  beforeEach(async () => {
    expect((await sync("--docs", "one", "two", "--package", "plugin@7.0.8")).code).toBe(0);
  });

  test("removes nothing while every lock is known", async () => {
    const before = await snapshot(mirror(""));
    expect((await run("prune")).stdout).toBe("removed 0, 0 B\n");
    expect(await snapshot(mirror(""))).toEqual(before);
  });

  test("removes what a lock has ceased to name", async () => {
    await lock("one", mixLock([beta]));
    await sync("one");
    const { stdout } = await run("prune");
    expect(stdout).toContain("removed alpha 1.0.0 (");
    expect(stdout).toContain("removed https://github.com/owner/repo (");
    expect(await tarballs()).toEqual(["alpha-1.1.0.tar", "beta-2.1.0.tar", "plugin-7.0.8.tar"]);
    expect(await readdir(mirror("git")).catch(() => [])).toEqual([]);
    expect((await run("verify")).code).toBe(0);
    expect((await run("build", "--dry-run")).stdout).toMatch(/would write 0 files/);
  });

  test("--keep-locks forgets the others first; --dry-run only tells", async () => {
    const before = await snapshot(mirror(""));
    const preview = await run("prune", "--keep-locks", "two", "--dry-run");
    expect(preview.stdout).toMatch(/would remove the lock \+packages .*\nwould remove the lock one /);
    expect(await snapshot(mirror(""))).toEqual(before);
    const { stdout } = await run("prune", "--keep-locks", "two", "--json");
    const { removed, bytes } = JSON.parse(stdout) as { removed: { item: object; bytes: number }[]; bytes: number };
    const repository = "hexpm";
    expect(removed.map(({ item }) => item)).toEqual([
      { kind: "lock", name: "+packages" },
      { kind: "lock", name: "one" },
      { kind: "record", repository, name: "beta" },
      { kind: "record", repository, name: "plugin" },
      { kind: "release", repository, name: "alpha", version: "1.0.0" },
      { kind: "release", repository, name: "beta", version: "2.1.0" },
      { kind: "release", repository, name: "plugin", version: "7.0.8" },
      { kind: "documentation", repository, name: "alpha", version: "1.0.0" },
      { kind: "git", host: "github.com", path: "owner/repo" },
    ]);
    expect(bytes).toBeGreaterThan(alpha.bytes.length + beta.bytes.length + plugin.bytes.length);
    expect(await tarballs()).toEqual(["alpha-1.1.0.tar"]);
    expect(await readdir(mirror("locks"))).toEqual(["two.json"]);
    expect(await readdir(mirror("hex/docs")).catch(() => [])).toEqual([]);
    expect((await run("verify")).code).toBe(0);
  });

  test("an organisation that no lock names any more goes as a whole", async () => {
    const secret = makeTarball({ name: "secret", version: "0.3.0" });
    hex.publish([secret], { organisation: { name: "acme", token: "t" } });
    env["MIRROR_TOKEN_ACME"] = "t";
    await lock("two", mixLock([newer], [lockEntry(secret, "", "hexpm:acme")]));
    expect((await sync("two")).code).toBe(0);
    await lock("two", mixLock([newer]));
    await sync("two");
    expect((await run("prune")).stdout).toMatch(/removed the registry of hexpm:acme/);
    expect(await readdir(mirror("hex/repos")).catch(() => [])).toEqual([]);
    expect(await readdir(mirror("upstream/hexpm/repos")).catch(() => [])).toEqual([]);
  });

  test("signs before it removes: without the key, nothing goes", async () => {
    await rm(mirror("private_key.pem"));
    const before = await snapshot(mirror(""));
    const { code, stderr } = await run("prune", "--keep-locks", "two");
    expect([code, stderr]).toEqual([2, expect.stringContaining("signed with a key that is not here")]);
    expect(await snapshot(mirror(""))).toEqual(before);
  });

  test("keeps repositories of this machine that a lock was allowed to name", async () => {
    const url = `file://${join(cwd, "upstream/owner/repo.git")}`;
    await lock("two", mixLock([newer], [`"local": {:git, "${url}", "${revision}", []}`]));
    expect((await sync("two", "--allow-local-git")).code).toBe(0);
    expect((await run("prune")).stdout).toBe("removed 0, 0 B\n");
    expect((await run("status")).stdout).not.toContain("(no known lock)");
    // A sync that forgets the option takes nothing new, and what was taken stays needed.
    expect((await sync("two")).code).toBe(1);
    expect((await run("prune")).stdout).toBe("removed 0, 0 B\n");
    expect((await sync("two", "--if-changed", "--allow-local-git")).code).toBe(0);
  });

  test("keeps what was put by hand where a lock's repository has its place", async () => {
    await lock("two", mixLock([newer], [lockEntry(plugin, "", "mycorp")]));
    expect((await sync("two")).code).toBe(1);
    await mkdir(mirror("hex/repos/mycorp/tarballs"), { recursive: true });
    await writeFile(mirror("hex/repos/mycorp/tarballs/plugin-7.0.8.tar"), plugin.bytes);
    expect((await run("build", "--adopt", "mycorp/plugin@7.0.8")).code).toBe(0);
    expect((await run("prune")).stdout).toBe("removed 0, 0 B\n");
    expect((await run("verify", "two")).code).toBe(0);
    // And a sync may adopt it, when it learns where the repository is.
    const other = await startHexUpstream([]);
    other.publish([plugin], { repository: "mycorp" });
    const otherKey = await other.writePublicKey(join(cwd, "mycorp.pem"));
    const adopted = await sync("two", "--repo", `mycorp=${other.url},${otherKey}`);
    expect([adopted.code, adopted.stderr]).toEqual([0, expect.not.stringContaining("cannot be")]);
  });

  test("leaves folders outside of the mirror alone, empty or not", async () => {
    const elsewhere = ["--git-dir", "outside/deep/git"];
    await sync("one", ...elsewhere);
    await lock("one", mixLock([beta]));
    await sync("one", ...elsewhere);
    expect((await run("prune", ...elsewhere)).stdout).toContain("removed https://github.com/owner/repo");
    expect((await stat(join(cwd, "outside/deep/git"))).isDirectory()).toBe(true);
  });

  test("refuses to empty a mirror, and names of locks that it does not know", async () => {
    const unknown = await run("prune", "--keep-locks", "three");
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining('no lock "three"; it knows +packages, one, two'),
    ]);
    await rm(mirror("locks"), { recursive: true });
    const empty = await run("prune");
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining("everything would go")]);
    expect(await tarballs()).toHaveLength(4);
  });
});

test("status tells what is held, for which locks, how big and how old", async () => {
  await mkdir(mirror(""));
  expect((await run("status")).stdout).toContain("records and refs: never synced as a whole on this machine");
  await sync("--docs", "one", "two");
  await lock("two", mixLock([]));
  // Such as after a merge that went wrong.
  expect((await sync("two")).stderr).toContain("the lock two names nothing any more, where it named 1 dependencies");
  const { stdout } = await run("status");
  expect(stdout).toMatch(
    /\nHex: 2 packages, 3 releases, [\d.]+ kB\n {2}hexpm: 3 releases, 1 that no known lock names, documentation of 1\n/,
  );
  expect(stdout).toMatch(/git: 1 repositories, .*\n {2}https:\/\/github\.com\/owner\/repo [\d.]+ k?B \(one\)/);
  expect(stdout).toMatch(/records and refs: as of 0 minutes ago \(20/);
  const json = JSON.parse((await run("status", "--json")).stdout) as { hex: { bytes: number } };
  expect(json.hex.bytes).toBe(alpha.bytes.length + newer.bytes.length + beta.bytes.length);
});

describe("verify --deep", () => {
  beforeEach(async () => {
    expect((await sync("--docs", "one", "two")).code).toBe(0);
  });

  test("finds nothing in a mirror that is whole, and changes nothing", async () => {
    const before = await snapshot(mirror(""));
    expect(await run("verify", "--deep")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^complete and intact/),
    });
    expect(await snapshot(mirror(""))).toEqual(before);
  });

  test("leaves oddities of genuine history alone", async () => {
    const work = join(cwd, "upstream/owner/repo.git");
    const tree = await git(work, ["rev-parse", "HEAD^{tree}"]);
    const odd = `tree ${tree}\nauthor A <a@a> 1600000000 +051800\ncommitter A <a@a> 1600000000 +0000\n\nodd\n`;
    await writeFile(join(cwd, "odd"), odd);
    const id = await git(work, ["hash-object", "-t", "commit", "-w", "--literally", join(cwd, "odd")]);
    await git(work, ["update-ref", "refs/heads/odd", id]);
    expect((await sync("one", "two")).code).toBe(0);
    const repository = mirror("git/github.com/owner/repo.git");
    await expect(git(repository, ["fsck"])).rejects.toThrow(/badTimezone/);
    expect(await run("verify", "--deep")).toMatchObject({ code: 0 });
  });

  test("takes a key that cannot be read for wrong usage, not for damage", async () => {
    const before = await snapshot(mirror(""));
    for (const command of [["verify", "--deep"], ["build"]]) {
      const { code, stderr } = await run(...(command as [string]), "--hex-public-key", "typo.pem");
      expect([command, code, stderr]).toEqual([
        command,
        2,
        expect.stringMatching(/--hex-public-key.*: there is no file .*typo\.pem/),
      ]);
    }
    expect(await snapshot(mirror(""))).toEqual(before);
  });

  test("files.json cannot make it move what lies outside", async () => {
    await writeFile(join(cwd, "precious"), "x");
    await writeFile(
      mirror("files.json"),
      JSON.stringify({ "h/../../../precious": { sha256: "0".repeat(64), bytes: 1 } }),
    );
    expect((await run("verify", "--deep")).stdout).toMatch(/damaged .*files\.json/);
    expect(await readFile(join(cwd, "precious"), "utf8")).toBe("x");
  });

  test("damage of our own files is found, not stumbled over", async () => {
    await writeFile(mirror("hex/public_key"), "garbage");
    expect((await run("verify")).code).toBe(3);
    await rm(mirror("hex/tarballs/beta-2.1.0.tar"));
    await mkdir(mirror("hex/tarballs/beta-2.1.0.tar"));
    const { code, stdout } = await run("verify");
    expect([code, stdout]).toEqual([3, expect.stringMatching(/damaged beta 2\.1\.0 .*is no regular file/)]);
  });

  test("moves what is damaged aside, needed or not, so that clients get none of it and the next sync heals it", async () => {
    await appendFile(mirror("hex/tarballs/alpha-1.0.0.tar"), "x");
    await writeFile(mirror("upstream/hexpm/packages/beta"), "x");
    await writeFile(mirror("hex/docs/alpha-1.0.0.tar.gz"), "x");
    const repository = mirror("git/github.com/owner/repo.git");
    await damageObject(repository, await git(repository, ["rev-parse", "HEAD:README.md"]), "damaged\n");
    const { code, stdout } = await run("verify", "--deep");
    expect(code).toBe(3);
    for (const path of ["tarballs/alpha-1.0.0.tar", "packages/beta", "docs/alpha-1.0.0.tar.gz", "owner/repo.git"]) {
      expect(stdout).toMatch(new RegExp(`quarantined .*${path}: `));
    }
    expect((await stat(mirror("quarantine/git/github.com/owner/repo.git"))).isDirectory()).toBe(true);
    expect((await readFile(mirror("quarantine/hex/tarballs/alpha-1.0.0.tar"))).length).toBe(alpha.bytes.length + 1);
    const server = await startServer(["--no-tls"], { cwd });
    expect((await fetch(`${server.url}/tarballs/alpha-1.0.0.tar`)).status).toBe(404);

    expect((await sync("--docs", "one", "two")).code).toBe(0);
    expect(await run("verify", "--deep")).toMatchObject({ code: 0 });
    expect(await readFile(mirror("hex/tarballs/alpha-1.0.0.tar"))).toEqual(alpha.bytes);
  });
});
