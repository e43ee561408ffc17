/** Git asks under the same policy, with all that the user's git needs: hiccups, logins, hooks, a second URL. */
import { chmod, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { main } from "../support/cli.ts";
import { startFileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { commit, git, gitEnvironment, makeRepository, startGitUpstream, type GitUpstream } from "../support/git.ts";
import { mirrorHere } from "../support/here.ts";

let cwd: string;
let upstream: GitUpstream;
let head: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  head = await makeRepository(join(cwd, "upstream/o/r.git"));
  upstream = await startGitUpstream(join(cwd, "upstream"));
  await writeLock(`${upstream.url}/o/r.git`);
});

async function writeLock(...urls: string[]): Promise<void> {
  const entries = urls.map((url, n) => `"r${n}": {:git, "${url}", "${head}", []}`);
  await writeFile(join(cwd, "mix.lock"), `%{\n${entries.join(",\n")}\n}\n`);
}

const sync = async (env: Record<string, string> = {}, ...args: string[]) => mirrorHere(["sync", ...args], { cwd, env });
const mirrored = () => join(cwd, ".mirror/git/127.0.0.1/o/r.git");

/** Answers the nth request that a test is about by itself. */
function spoil(
  isMeant: (request: IncomingMessage) => boolean,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  times = 1,
): void {
  let seen = 0;
  upstream.intercept = (request, response) => {
    if (!isMeant(request) || seen === times) return false;
    seen += 1;
    answer(request, response);
    return true;
  };
}

const isList = ({ url = "" }: IncomingMessage) => url.includes("info/refs");
const isFetch = ({ method }: IncomingMessage) => method === "POST";

describe("a hiccup", () => {
  test.each([429, 500, 502, 503, 504])("of status %i is got over", async (status) => {
    spoil(isList, (_request, response) => response.writeHead(status, { "retry-after": "1" }).end("busy"));
    expect(await sync()).toMatchObject({ code: 0 });
  });

  test.each([
    ["the list is asked for", isList, (request: IncomingMessage) => request.socket.destroy()],
    ["it is reset", isList, (request: IncomingMessage) => request.socket.resetAndDestroy()],
    ["the pack comes", isFetch, (request: IncomingMessage) => request.socket.destroy()],
  ])("of the connection while %s is got over", async (_, isMeant, answer) => {
    spoil(isMeant, answer, 2);
    expect(await sync()).toMatchObject({ code: 0 });
  });

  test("of which half of the pack came leaves nothing of that half", async () => {
    await commit(join(cwd, "upstream/o/r.git"), { large: "x".repeat(200_000) }, "large");
    upstream.cutAfter = 400;
    let fetches = 0;
    upstream.intercept = (request) => {
      if (isFetch(request) && (fetches += 1) > 3) upstream.cutAfter = undefined;
      return false;
    };
    expect(await sync()).toMatchObject({ code: 0 });
    expect(await readdir(join(mirrored(), "objects/pack"))).not.toContainEqual(expect.stringMatching(/^tmp_|\.keep$/));
  });

  test("by a portal is told when it stays, as who answered", async () => {
    const page = (_request: IncomingMessage, response: ServerResponse) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<html>Sign in</html>");
    spoil(isList, page);
    expect(await sync()).toMatchObject({ code: 0 });
    spoil(isList, page, 1_000);
    const { code, stderr, stdout } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/a proxy or a portal answered, not 127\.0\.0\.1:\d+/)]);
    // Git itself takes such a page for a repository without any branch.
    expect(await git(mirrored(), ["rev-parse", "refs/heads/main"])).toBe(head);
    expect(stdout).toMatch(/the mirror holds the only thing that .* names: you can work offline/);
  });

  test("by a server that trickles is ended by git's own lowest speed, and tried again", async () => {
    spoil(isFetch, (_request, response) => {
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      const timer = setInterval(() => response.write("0"), 300);
      response.on("close", () => clearInterval(timer));
    });
    const { code } = await sync({ GIT_HTTP_LOW_SPEED_LIMIT: "1000", GIT_HTTP_LOW_SPEED_TIME: "1" });
    expect(code).toBe(0);
  });

  test.each([
    [404, /is not there/],
    [403, /403/],
  ])("is none that status %i tells: it is asked for once", async (status, message) => {
    spoil(isList, (_request, response) => response.writeHead(status).end("no"), 1_000);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    expect(upstream.log.filter((line) => line.includes("info/refs")).length).toBeLessThanOrEqual(2);
  });
});

describe("a login", () => {
  const wants = (login: string) => (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.authorization === `Basic ${Buffer.from(login).toString("base64")}`) return false;
    response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("no");
    return true;
  };

  async function script(name: string, lines: string): Promise<string> {
    const path = join(cwd, name);
    await writeFile(path, `#!/bin/sh\n${lines}\n`);
    await chmod(path, 0o755);
    return path;
  }

  const answers = 'case "$1" in Username*) echo "$BOT_USER";; *) echo "$BOT_PASSWORD";; esac';
  const bot = { BOT_USER: "bot", BOT_PASSWORD: "s3cret" };

  test.each(["GIT_ASKPASS", "SSH_ASKPASS"])("comes by %s, which reads variables of its own", async (variable) => {
    upstream.intercept = wants("bot:s3cret");
    expect(await sync({ ...bot, [variable]: await script("ask", answers) })).toMatchObject({ code: 0 });
    expect((await sync({ ...bot })).stderr).toMatch(/the server wants a login/);
  });

  test("comes by a helper of the user's configuration, and by one in the environment", async () => {
    upstream.intercept = wants("bot:s3cret");
    const helper = await script(
      "helper",
      'test "$1" = get && printf "username=%s\\npassword=%s\\n" "$BOT_USER" "$BOT_PASSWORD"',
    );
    await writeFile(join(cwd, ".gitconfig"), `[credential]\n\thelper = ${helper}\n`);
    expect(await sync(bot)).toMatchObject({ code: 0 });
    await writeFile(join(cwd, ".gitconfig"), "");
    const numbered = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "credential.helper", GIT_CONFIG_VALUE_0: helper };
    await commit(join(cwd, "upstream/o/r.git"), { more: "more" }, "more");
    expect(await sync({ ...bot, ...numbered })).toMatchObject({ code: 0 });
  });

  test("comes by the longest URL that upstreamTokens name, for git and files, and goes to nobody else", async () => {
    const files = await startFileUpstream();
    files.files.set("/o/tool", Buffer.from("tool"));
    const seen: (string | undefined)[] = [];
    files.intercept = ({ headers }) => {
      seen.push(headers.authorization);
      return false;
    };
    upstream.intercept = wants("x-access-token:inner");
    const config = join(cwd, "named.json");
    const upstreamTokens = {
      [upstream.url]: "OUTER",
      [`${upstream.url}/o`]: "INNER",
      [`${files.url}/other`]: "INNER",
      [`${files.url}/o`]: "WHOLE",
    };
    await writeFile(config, JSON.stringify({ upstreamTokens, files: [{ url: `${files.url}/o/tool` }] }));
    const env = { OUTER: "outer", INNER: "inner", WHOLE: "token abc" };
    const { code, stderr, stdout } = await sync(env, "--config", config);
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/inner|abc/)]);
    expect(stdout).not.toMatch(/inner|abc/);
    expect(seen).toEqual(["token abc"]);
    const unset = await sync({}, "--config", config);
    expect(unset.stderr).toMatch(/INNER, which is to hold the login for .*\/o, is not set/);
  });

  test("by upstreamTokens of a file that was merely found is refused before anything is asked", async () => {
    const upstreamTokens = { [upstream.url]: "AWS_SECRET_ACCESS_KEY" };
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ upstreamTokens }));
    const { code, stderr } = await sync({ AWS_SECRET_ACCESS_KEY: "secret" });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/"upstreamTokens" is not followed.*--config/)]);
    expect(upstream.log).toEqual([]);
  });
});

describe("from within a hook", () => {
  test.each(["post-commit", "pre-push", "pre-receive"])(
    "of git's, %s, with its variables set, a sync mirrors what the lock names and nothing of that repository",
    async (hook) => {
      const work = join(cwd, "project");
      const remote = join(cwd, "remote.git");
      await makeRepository(work);
      await git(cwd, ["init", "--quiet", "--bare", remote]);
      await git(work, ["remote", "add", "origin", remote]);
      const dir = hook === "pre-receive" ? join(remote, "hooks") : join(work, ".git/hooks");
      await mkdir(dir, { recursive: true });
      const mirror = join(cwd, ".mirror");
      await writeFile(
        join(dir, hook),
        `#!/bin/sh\nenv | grep ^GIT_ >'${cwd}/variables'\n'${process.execPath}' '${main}' sync '${cwd}' --mirror '${mirror}' >'${cwd}/out' 2>&1\necho $? >'${cwd}/code'\n`,
      );
      await chmod(join(dir, hook), 0o755);
      await commit(work, { next: "next" }, "second");
      await git(work, ["push", "--quiet", "origin", "main"]);
      const read = async (name: string) => readFile(join(cwd, name), "utf8");
      expect(await read("variables")).toMatch(/^GIT_(?:DIR|INDEX_FILE|QUARANTINE_PATH|PREFIX)=/m);
      expect([await read("code"), await read("out")]).toEqual(["0\n", expect.stringMatching(/added 1/)]);
      expect(await git(mirrored(), ["rev-parse", "refs/heads/main"])).toBe(head);
      // Nothing was written into the repository whose hook it was.
      expect(await git(work, ["for-each-ref", "--format=%(refname)"])).not.toMatch(/mirror-server/);
      expect(await git(work, ["status", "--porcelain"])).toBe("");
    },
  );
});

describe("of two URLs of one repository", () => {
  test.each([
    ["is not there", (_request: IncomingMessage, response: ServerResponse) => response.writeHead(404).end()],
    ["wants a login", (_request: IncomingMessage, response: ServerResponse) => response.writeHead(401).end()],
    [
      "leads where it may not",
      (_request: IncomingMessage, response: ServerResponse) =>
        response.writeHead(302, { location: "http://localhost:1/x/info/refs?service=git-upload-pack" }).end(),
    ],
  ])("the other is asked when one %s", async (_, answer) => {
    const other = await startGitUpstream(join(cwd, "upstream"));
    upstream.intercept = (request, response) => {
      answer(request, response);
      return true;
    };
    await writeLock(`${upstream.url}/o/r.git`, `${other.url}/o/r.git`);
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([0, expect.stringMatching(/another URL of it is asked/)]);
  });
});

test("a repository that cannot be packed well is kept, told, and packed at the next change", async () => {
  const bin = join(cwd, "bin");
  await mkdir(bin);
  const real = (await git(cwd, ["--exec-path"])).replace(/\/[^/]*\/[^/]*$/, "/bin/git");
  await writeFile(
    join(bin, "git"),
    `#!/bin/sh\nif [ "$1" = repack ]; then echo 'fatal: no room for a pack' >&2; exit 128; fi\nexec ${real} "$@"\n`,
  );
  await chmod(join(bin, "git"), 0o755);
  const failing = { PATH: `${bin}:${gitEnvironment["PATH"]}` };
  const { code, stderr } = await sync(failing);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/could not be packed well.*no room for a pack/)]);
  expect(await git(cwd, ["clone", "--quiet", mirrored(), "clone"])).toBe("");
  expect((await mirrorHere(["verify"], { cwd })).code).toBe(0);
  await commit(join(cwd, "upstream/o/r.git"), { more: "more" }, "more");
  expect((await sync()).stderr).not.toMatch(/could not be packed/);
  expect(await readdir(join(mirrored(), "objects/pack"))).toContainEqual(expect.stringMatching(/\.bitmap$/));
});

test("what git received is among the bytes", async () => {
  await commit(join(cwd, "upstream/o/r.git"), { large: Math.random().toString(36).repeat(5_000) }, "large");
  const result = JSON.parse((await sync({}, "--json")).stdout) as { bytes: number };
  expect(result.bytes).toBeGreaterThan(300);
});

test("a repository without any ref is told as that, once, and takes nothing away", async () => {
  expect((await sync()).code).toBe(0);
  const { url } = await startGitUpstream(join(cwd, "others"));
  await git(cwd, ["init", "--quiet", "--bare", join(cwd, "others/o/r.git")]);
  await writeLock(`${url}/o/r.git`);
  const { code, stderr } = await sync();
  expect([code, stderr]).toEqual([1, expect.stringMatching(/upstream lists no branch and no tag/)]);
  expect(await git(mirrored(), ["rev-parse", "refs/heads/main"])).toBe(head);
});
