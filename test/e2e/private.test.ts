/** What only the operator may read stays so: guards, locks from strangers, credentials, addresses of this network. */
import { execFileSync, spawn } from "node:child_process";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { runClient } from "../support/clients.ts";
import { startFileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream, type GitUpstream } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

const madeUp = "0123456789012345678901234567890123456789";

let cwd: string;
let upstream: GitUpstream;
let first: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  first = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  upstream = await startGitUpstream(join(cwd, "upstream"));
});

const entry = (app: string, url: string, revision: string, options = "") =>
  `"${app}": {:git, "${url}", "${revision}", [${options}]}`;
const lock = (...entries: string[]) => writeFile(join(cwd, "mix.lock"), mixLock([], entries));
const run = (args: readonly string[], env: Record<string, string> = {}) => mirrorHere(args, { cwd, env });
const sync = (args: readonly string[] = [], env: Record<string, string> = {}) =>
  run(["sync", ...args], { ...redirectGit({ "https://github.com/": `${upstream.url}/` }), ...env });
const repositories = () => readdir(join(cwd, ".mirror/git"), { recursive: true }).catch(() => [] as string[]);

describe("serve --require-token", () => {
  const status = (url: string, headers: Record<string, string> = {}) =>
    new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
      get(url, { headers }, (answer) => {
        answer.resume();
        resolve([answer.statusCode, answer.headers["www-authenticate"]]);
      }).once("error", reject);
    });
  const basic = (login: string) => ({ authorization: `Basic ${Buffer.from(login).toString("base64")}` });

  beforeEach(async () => {
    await lock(entry("repo", "https://github.com/owner/repo.git", first));
    const files = await startFileUpstream();
    files.files.set("/tool", Buffer.from("tool"));
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ files: [{ url: `${files.url}/tool` }] }));
    expect(await sync()).toMatchObject({ code: 0 });
    await writeFile(join(cwd, "tokens"), "letmein\n");
  });

  test("guards git and files, which clients reach with a login", async () => {
    const { url } = await startServer(["--no-tls", "--require-token", "tokens"], { cwd });
    for (const path of [
      "/github.com/owner/repo.git/info/refs?service=git-upload-pack",
      "//github.com/owner/%72epo.git/info/refs?service=git-upload-pack",
      "/127.0.0.1/tool",
    ]) {
      expect([path, await status(url + path)]).toEqual([path, [401, expect.stringMatching(/^Basic /)]]);
      expect((await status(url + path, basic("me:wrong")))[0]).toBe(401);
      for (const headers of [basic("me:letmein"), basic("letmein:"), { authorization: "letmein" }]) {
        expect([path, (await status(url + path, headers))[0]]).toEqual([path, 200]);
      }
    }
    const host = url.slice("http://".length);
    const clone = async (login: string) =>
      runClient("git", ["clone", "-q", `http://${login}${host}/github.com/owner/repo.git`, `clone-${login.length}`], {
        cwd,
        env: { GIT_TERMINAL_PROMPT: "0", HOME: cwd },
      });
    expect([(await clone("")).code, (await clone("me:letmein@")).code]).toEqual([128, 0]);
    expect((await status(`${url}/names`))[0]).toBe(200);
  });

  test("all guards everything but what must be had before a token can be sent", async () => {
    const { url } = await startServer(["--no-tls", "--require-token", "tokens", "--require-token", "all"], { cwd });
    const open = ["/health", "/health/live", "/health/ready", "/public_key", "/installs/hex-1.x.csv"];
    for (const path of open) expect([path, (await status(url + path))[0]]).toEqual([path, 200]);
    const guarded = [
      "/names",
      "/versions",
      "/%6eames",
      "//names",
      "/packages/none",
      "/api/packages/none",
      "/repo.hex.pm/packages/none",
    ];
    for (const path of guarded) expect([path, (await status(url + path))[0]]).toEqual([path, 403]);
    // People log in. Which hosts there are is told to nobody.
    for (const path of ["/", "/builds.hex.pm/", "/nowhere.example/x", "/127.0.0.1/tool", "/nowhere"]) {
      expect([path, (await status(url + path))[0]]).toEqual([path, 401]);
    }
    expect((await status(`${url}/names`, { host: "repo.hex.pm" }))[0]).toBe(403);
    expect((await status(`${url}/names`, { authorization: "letmein" }))[0]).toBe(200);
  });

  test("health names nothing that is guarded to those without a token", async () => {
    const health = async (url: string, authorization?: string): Promise<unknown> =>
      (await fetch(`${url}/health`, { headers: authorization === undefined ? {} : { authorization } })).json();
    const part = await startServer(["--no-tls", "--require-token", "tokens"], { cwd });
    expect(await health(part.url)).toMatchObject({
      status: "ok",
      git: { repositories: 1, hosts: [] },
      hex: { repositories: [] },
    });
    expect(await health(part.url, "letmein")).toMatchObject({
      git: { hosts: expect.arrayContaining(["127.0.0.1"]) as string[] },
    });
    const all = await startServer(["--no-tls", "--require-token", "tokens", "--require-token", "all"], { cwd });
    expect(await health(all.url)).toEqual({ status: "ok" });
    expect((await run(["health", "--port", String(all.port)])).stdout).toBe("ok\n");
  });

  test("all without a file of tokens is refused, and says what to give", async () => {
    const { code, stderr } = await run(["serve", "--require-token", "all"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("--require-token FILE --require-token all")]);
  });
});

describe("a lock of a stranger's", () => {
  test("does not make a repository public of which it names no commit", async () => {
    await lock(entry("repo", "https://github.com/owner/repo.git", madeUp));
    expect(await sync()).toMatchObject({ code: 1 });
    expect((await repositories()).filter((name) => name.endsWith(".git"))).toEqual([]);
    await lock(
      entry("repo", "https://github.com/owner/repo.git", madeUp),
      entry("other", "https://github.com/owner/repo.git", first),
    );
    expect(await sync()).toMatchObject({ code: 1 });
    expect(await repositories()).toContain("github.com/owner/repo.git");
  });

  test("is bounded by --allow-hosts and --allow-owners, with what repositories have as submodules", async () => {
    await lock(entry("repo", "https://github.com/owner/repo.git", first));
    for (const [args, why] of [
      [["--allow-hosts", "gitlab.com"], "the host is none of --allow-hosts"],
      [["--allow-owners", "others,gitlab.com/owner"], "the owner is none of --allow-owners"],
    ] as const) {
      const { code, stderr } = await sync(args);
      expect([code, stderr]).toEqual([1, expect.stringContaining(why)]);
    }
    expect(await repositories()).toEqual([]);
    const allowed = ["--allow-hosts", "github.com,gitlab.com", "--allow-owners", "github.com/Owner"];
    expect(await sync(allowed)).toMatchObject({ code: 0 });
  });
});

describe("a login in a URL", () => {
  beforeEach(() => {
    const expected = `Basic ${Buffer.from("bot:s3cret/T@ken").toString("base64")}`;
    upstream.intercept = (request, response) => {
      if (request.headers.authorization === expected) return false;
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return true;
    };
  });

  /** The arguments of every process, for as long as the command runs. */
  async function withArguments(args: readonly string[], env: Record<string, string>) {
    const main = new URL("../../dist/main.js", import.meta.url).pathname;
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: cwd, ...env },
    });
    const seen = new Set<string>();
    const look = setInterval(() => {
      const out = execFileSync("ps", ["-eo", "args"], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
      for (const line of out.split("\n")) if (line.includes(new URL(upstream.url).host)) seen.add(line);
    }, 20);
    const [stderr, code] = await Promise.all([
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once("close", resolve)),
    ]);
    clearInterval(look);
    return { code, stderr, seen: [...seen].join("\n") };
  }

  test.each([
    ["of a lock", true],
    ["of a rule in the user's git configuration", false],
  ])("%s reaches the server, and no list of processes", async (_, isInLock) => {
    const login = "bot:s3cret%2FT%40ken@";
    const withLogin = upstream.url.replace("http://", `http://${login}`);
    await lock(entry("repo", isInLock ? `${withLogin}/owner/repo.git` : "https://github.com/owner/repo.git", first));
    const rule = isInLock ? {} : redirectGit({ "https://github.com/": `${withLogin}/` });
    const { code, stderr, seen } = await withArguments(["sync"], rule);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(seen).toContain("remote-http");
    expect(seen + stderr).not.toMatch(/s3cret/);
    const written = await readdir(join(cwd, ".mirror"), { recursive: true, withFileTypes: true });
    for (const file of written.filter((each) => each.isFile())) {
      expect(await readFile(join(file.parentPath, file.name), "latin1")).not.toContain("s3cret");
    }
  });
});

describe("addresses of this network", () => {
  test("that only a submodule names are not asked, but for the parent's own host and what was allowed", async () => {
    const inner = await makeRepository(join(cwd, "upstream/owner/inner.git"));
    const port = new URL(upstream.url).port;
    const parent = join(cwd, "upstream/owner/parent.git");
    await makeRepository(parent);
    const name = async (url: string) => {
      await writeFile(join(parent, ".gitmodules"), `[submodule "inner"]\n\tpath = inner\n\turl = ${url}\n`);
      await git(parent, ["add", ".gitmodules"]);
      await git(parent, ["update-index", "--add", "--cacheinfo", `160000,${inner},inner`]);
      await git(parent, ["commit", "--quiet", "--message", "submodule"]);
      return git(parent, ["rev-parse", "HEAD"]);
    };
    const revision = await name(`http://localhost:${port}/owner/inner.git`);
    await lock(entry("parent", `${upstream.url}/owner/parent.git`, revision, "submodules: true"));
    const refused = await sync();
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/localhost is an address of this machine or its network.*--allow-hosts localhost/),
    ]);
    expect(upstream.log.join("\n")).not.toContain("inner");
    expect((await sync(["--allow-hosts", "localhost,127.0.0.1"])).code).toBe(0);
    expect(await repositories()).toContain("localhost._/owner/inner.git");
    const own = await name("../inner.git");
    await lock(entry("parent", `${upstream.url}/owner/parent.git`, own, "submodules: true"));
    expect((await sync()).code).toBe(0);
  });

  test("that only a redirect names are not asked, of git nor of files; other redirects are followed", async () => {
    const port = new URL(upstream.url).port;
    const files = await startFileUpstream();
    upstream.intercept = (request, response) => {
      const [, host] = /^\/to\/([^/]+)\//.exec(request.url ?? "") ?? [];
      if (host === undefined) return false;
      response
        .writeHead(301, { location: `http://${host}:${port}${(request.url ?? "").replace(/^\/to\/[^/]+/, "")}` })
        .end();
      return true;
    };
    await lock(entry("repo", `${upstream.url}/to/localhost/owner/repo.git`, first));
    files.files.set("/tool", { redirect: `http://localhost:${new URL(files.url).port}/elsewhere` });
    files.files.set("/elsewhere", Buffer.from("tool"));
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ files: [{ url: `${files.url}/tool` }] }));
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /owner\/repo: .* redirects to localhost, as a portal .*: localhost is an address of this machine/,
      ),
    ]);
    expect(stderr).toMatch(/tool redirects to localhost, as a portal .*: localhost is an address of this machine/);
    expect(upstream.log.join("\n")).not.toContain("GET /owner/repo.git");
    expect(files.log.join("\n")).not.toContain("/elsewhere");
    await lock(entry("repo", `${upstream.url}/to/127.0.0.1/owner/repo.git`, first));
    await writeFile(join(cwd, "mirror.config.json"), "{}");
    expect((await sync()).code).toBe(0);
  });
});

describe("text from elsewhere", () => {
  test("is shown without what steers a terminal, as text and as JSON", async () => {
    upstream.intercept = (_request, response) => {
      response.writeHead(500, { "content-type": "text/plain" }).end("\u001b[31mred\u009b1m\r\nover\u202e\n");
      return true;
    };
    await lock(
      entry("re\\u{1b}[31mpo", "https://github.com/owner/\u009brepo.git", first),
      entry("ok", "https://github.com/owner/repo.git", first),
    );
    for (const args of [[], ["--json"]]) {
      const { stdout, stderr } = await sync(args);
      expect(stdout + stderr).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
      expect(stdout + stderr).toContain("owner");
    }
  });

  test("names of folders are quoted for the shell and for YAML, line breaks and $ included", async () => {
    const dir = join(cwd, `x"y'z $(touch PWNED) \`touch PWNED\`\ntouch PWNED\n#`);
    await mkdir(dir, { recursive: true });
    await git(dir, ["init", "--quiet"]);
    await writeFile(join(dir, "mix.lock"), "%{}\n");
    const below = join(dir, "-app $HOME");
    await mkdir(below);
    await writeFile(join(below, "mix.lock"), "%{}\n");
    const made = await mirrorHere(["init", "--compose", "--mirror", join(dir, "m:$HOME")], {
      cwd: below,
      env: { HOME: cwd },
    });
    expect(made.code).toBe(0);
    await runClient("sh", [join(below, "mirror/pre-commit")], { cwd: dir, env: { HOME: cwd } });
    expect((await readdir(cwd)).concat(await readdir(dir))).not.toContain("PWNED");
    const compose = await readFile(join(below, "docker-compose.mirror.yml"), "utf8");
    const mounts = [...compose.matchAll(/^ {6}- (\{.*\})$/gm)].map(
      ([, json = ""]) => JSON.parse(json) as { source: string },
    );
    expect(mounts.map(({ source }) => source)).toContain(join(dir, "m:$$HOME").replaceAll("$(", "$$$$("));
    const hook = await readFile(join(below, "mirror/pre-commit"), "utf8");
    expect(hook.split("\n").filter((line) => line.startsWith("touch"))).toEqual([]);
  });
});
