/**
 * Every documented way to install, from a clean clone with an empty cache, by npm 10 and 11: the program runs afterwards, and
 * what was installed is one package. Needs npm's registry; without one it says so.
 */
import { execFile, execFileSync } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
const run = promisify(execFile);
const minutes = 60_000;

function hasRegistry(): boolean {
  try {
    execFileSync("npm", ["view", "npm@10", "version"], { stdio: "ignore", timeout: 30_000 });
    execFileSync("git", ["-C", root, "rev-parse"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

interface Newcomer {
  readonly home: string;
  /** A repository that holds what is worked on here, committed. */
  readonly repository: string;
  readonly sh: (script: string, cwd?: string) => Promise<string>;
}

/** Somebody with Node, git and an npm, and nothing else. @param npm the folder that it was installed in */
async function newcomer(npm: string): Promise<Newcomer> {
  const home = await temporaryFolder();
  // Where the registry is, and how it is reached, is the machine's.
  const unwanted =
    /^(?:npm_(?!config_(?:registry|cafile|proxy|https_proxy|noproxy)$)|MIRROR_|GIT_|NODE_(?:OPTIONS|ENV)|VITEST)/i;
  const own = Object.entries(process.env).filter(([name]) => !unwanted.test(name));
  const env = {
    ...Object.fromEntries(own),
    HOME: home,
    npm_config_cache: join(home, "npm-cache"),
    npm_config_prefix: join(home, "prefix"),
    npm_config_userconfig: process.env["npm_config_userconfig"] ?? join(process.env["HOME"] ?? "/root", ".npmrc"),
    npm_config_update_notifier: "false",
    PATH: `${join(npm, "node_modules/.bin")}:${join(home, "prefix/bin")}:${process.env["PATH"] ?? ""}`,
    GIT_CONFIG_GLOBAL: join(home, "gitconfig"),
  };
  const identity = "[user]\n\tname = t\n\temail = t@t\n[init]\n\tdefaultBranch = main\n";
  await writeFile(join(home, "gitconfig"), identity);
  const sh = async (script: string, cwd = home) => {
    try {
      const { stdout, stderr } = await run("sh", ["-ec", script], { cwd, env, maxBuffer: 1e8, timeout: 4 * minutes });
      return stdout + stderr;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${script}\n${stdout}${stderr}`, { cause: error });
    }
  };
  return { home, repository: await repositoryOf(home, sh), sh };
}

async function repositoryOf(home: string, sh: Newcomer["sh"]): Promise<string> {
  const repository = join(home, "upstream");
  const listed = execFileSync("git", ["-C", root, "ls-files", "-co", "--exclude-standard", "-z"], { encoding: "utf8" });
  for (const file of new Set(listed.split("\0").filter(Boolean))) {
    const isThere = await access(join(root, file)).then(
      () => true,
      () => false,
    );
    if (!isThere) continue;
    await mkdir(dirname(join(repository, file)), { recursive: true });
    await cp(join(root, file), join(repository, file));
  }
  await sh("git init -q && git add -A && git commit -qm all", repository);
  return repository;
}

/** @param wanted npm's major version */
export function describeWays(wanted: string): void {
  describe.skipIf(!hasRegistry())(`npm ${wanted} (skipped without npm's registry, or outside a clone)`, () => {
    let npm: string;

    beforeAll(async () => {
      npm = await mkdtemp(join(tmpdir(), "mirror-server-npm-"));
      await run("npm", ["install", "--silent", "--no-save", "--prefix", npm, `npm@${wanted}`]);
    }, minutes);
    afterAll(async () => rm(npm, { recursive: true }));

    const works = expect.stringMatching(new RegExp(`^${version}$`, "m")) as string;
    const quiet = expect.not.stringMatching(/EBADENGINE|install-scripts/) as string;

    test("npm link, then the command anywhere", { timeout: 5 * minutes }, async () => {
      const { sh, repository } = await newcomer(npm);
      await sh(`git clone -q ${repository} clone && cd clone && npm link`);
      expect(await sh("mirror-server --version", "/")).toEqual(works);
      expect(await sh("git status --porcelain", join(dirname(repository), "clone"))).toBe("");
    });

    test("npm install -g of a clone", { timeout: 5 * minutes }, async () => {
      const { sh, repository } = await newcomer(npm);
      await sh(`git clone -q ${repository} clone && npm install -g ./clone`);
      expect(await sh("mirror-server --version", "/")).toEqual(works);
    });

    test("npx in a clone", { timeout: 5 * minutes }, async () => {
      const { sh, repository } = await newcomer(npm);
      expect(await sh(`git clone -q ${repository} clone && cd clone && npx --no -- mirror-server --version`)).toEqual(
        works,
      );
    });

    test("npm pack, and the tarball elsewhere, without a network", { timeout: 5 * minutes }, async () => {
      const { sh, home, repository } = await newcomer(npm);
      await sh(`git clone -q ${repository} clone && cd clone && npm pack --pack-destination ..`);
      expect(await sh("git status --porcelain", join(home, "clone"))).toBe("");
      // What is packed needs nothing else, so nobody has to be asked.
      const said = await sh(`npm install -g --offline --cache empty ./mirror-server-${version}.tgz`);
      expect(said).toEqual(quiet);
      expect(await sh("mirror-server --version", "/")).toEqual(works);
      const installed = join(home, "prefix/lib/node_modules");
      expect(await readdir(installed)).toEqual(["mirror-server"]);
      const inside = await readdir(join(installed, "mirror-server"));
      expect(inside).not.toEqual(expect.arrayContaining(["node_modules"]));
      expect(inside).not.toEqual(expect.arrayContaining(["src"]));
      expect(await sh("mirror-server help laptop", "/")).toContain("On a laptop");
    });

    test("npm install of a git URL, in a project", { timeout: 5 * minutes }, async () => {
      const { sh, home, repository } = await newcomer(npm);
      await mkdir(join(home, "project"));
      const script = `npm init -y >/dev/null && npm install git+file://${repository} && npx --no -- mirror-server --version`;
      expect(await sh(script, join(home, "project"))).toEqual(works);
      expect((await readdir(join(home, "project/node_modules"))).filter((name) => !name.startsWith("."))).toEqual([
        "mirror-server",
      ]);
    });

    test("npm pack of a git URL, installed for all", { timeout: 5 * minutes }, async () => {
      const { sh, repository } = await newcomer(npm);
      await sh(`npm pack git+file://${repository} && npm install -g ./mirror-server-${version}.tgz`);
      expect(await sh("mirror-server --version", "/")).toEqual(works);
    });
  });
}
