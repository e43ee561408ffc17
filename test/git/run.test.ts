import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { constants, getPriority } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { classifyFailure, endGit, runGit, startGit, tryGit } from "../../src/git/run.ts";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { temporaryFolder } from "../support/folder.ts";
import { isAlive, waitUntil } from "../support/processes.ts";

const path = process.env["PATH"] ?? "";

test("ends the whole process group when it is told to stop", async () => {
  const dir = await temporaryFolder();
  // A stand-in git whose child would live on if only its parent was ended.
  await writeFile(join(dir, "git"), `#!/bin/sh\nsleep 1000 &\necho $!\nwait\n`);
  await chmod(join(dir, "git"), 0o755);
  const stop = new AbortController();
  let child = 0;
  const running = runGit(["fetch"], {
    env: { PATH: `${dir}:${path}` },
    cwd: dir,
    signal: stop.signal,
    onStdout: (chunk) => {
      child = Number(chunk.toString());
      stop.abort();
    },
  });
  await expect(running).rejects.toMatchObject({ code: "cancelled" });
  expect(child).toBeGreaterThan(0);
  await waitUntil(() => !isAlive(child), "the grandchild to end");
});

const autogroups = "/proc/self/autogroup";

test.runIf(existsSync(autogroups))("who answers somebody goes before a git in the background", async () => {
  const child = startGit(["hash-object", "--stdin"], {
    env: { PATH: path },
    cwd: await temporaryFolder(),
    isBackground: true,
  });
  try {
    const { pid } = child;
    expect(getPriority(pid)).toBe(constants.priority.PRIORITY_LOW);
    // Of its session among all sessions, too.
    expect(await readFile(`/proc/${pid}/autogroup`, "utf8")).toMatch(/ nice 19$/m);
  } finally {
    endGit(child);
    await once(child, "exit");
  }
});

test("gives git's output, exit code and words", async () => {
  const result = await tryGit(["rev-parse", "--git-dir"], { env: { PATH: path, LC_ALL: "C" }, cwd: "/" });
  expect(result.code).toBe(128);
  expect(result.stderr).toMatch(/not a git repository/);
  await expect(runGit(["no-such-command"], { env: { PATH: path }, cwd: "/" })).rejects.toThrow(
    /git no-such-command failed/,
  );
});

test("says so when git is not installed", async () => {
  await expect(createGitEnvironments({ PATH: "/nonexistent" })).rejects.toThrow(/git is not installed/);
});

test("git of ours gets only what is listed; the user's, for asking upstream, nearly all", async () => {
  const environments = await createGitEnvironments({
    PATH: path,
    HOME: "/home/me",
    SSH_AUTH_SOCK: "/run/agent",
    https_proxy: "http://proxy:3128",
    GIT_DIR: "/elsewhere",
    GIT_ASKPASS: "/usr/bin/askpass",
    MIRROR_TOKEN_ACME: "secret",
    BOT_PASSWORD: "for askpass",
    HTTP_PROXY: "http://proxy:3129",
    GIT_CONFIG_COUNT: "5",
    GIT_CONFIG_KEY_0: "core.worktree",
    GIT_CONFIG_VALUE_0: "/elsewhere",
    GIT_CONFIG_KEY_1: "no name.x",
    GIT_CONFIG_VALUE_1: "1",
    GIT_CONFIG_KEY_3: "url.https://x/.insteadOf",
    GIT_CONFIG_VALUE_3: "y:",
    GIT_TRACE: "/tmp/trace",
    GIT_EXEC_PATH: "/elsewhere",
    GIT_SSL_NO_VERIFY: "1",
  });
  expect(Object.keys(environments.own().env).sort()).toEqual([
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_NO_LAZY_FETCH",
    "GIT_OPTIONAL_LOCKS",
    "GIT_TERMINAL_PROMPT",
    "HOME",
    "LC_ALL",
    "PATH",
  ]);
  expect(environments.upstream().env).toMatchObject({ SSH_AUTH_SOCK: "/run/agent", https_proxy: "http://proxy:3128" });
  expect(environments.upstream().env).toMatchObject({ GIT_ASKPASS: "/usr/bin/askpass", BOT_PASSWORD: "for askpass" });
  // Of numbered settings, those that git could read and that are not about one repository, numbered anew.
  expect(environments.upstream().env).toMatchObject({
    GIT_CONFIG_KEY_0: "url.https://x/.insteadOf",
    GIT_CONFIG_KEY_1: "http.followRedirects",
  });
  expect(environments.upstream().env).toMatchObject({ http_proxy: "http://proxy:3129" });
  for (const name of ["GIT_DIR", "GIT_TRACE", "GIT_EXEC_PATH", "GIT_SSL_NO_VERIFY", "MIRROR_TOKEN_ACME"]) {
    expect(environments.upstream().env).not.toHaveProperty(name);
  }
  await environments.remove();
});

test.each([
  ["fatal: unable to access 'https://x/': Could not resolve host: x", "upstream", /cannot reach the server/],
  ["fatal: could not read Username for 'https://x': terminal prompts disabled", "upstream", /wants a login/],
  ["remote: gone\nfatal: repository 'https://x/' not found", "not_found", /is not there/],
  ["fatal: unable to access 'https://x/': server certificate verification failed.", "upstream", /does not trust/],
  [
    "remote: Counting objects:  25% (1/4)\rremote: Total 4 (delta 0)\nfatal: early EOF",
    "upstream",
    /server: fatal: early EOF$/,
  ],
  ["fatal: bad object", "git", /git fetch failed: fatal: bad object/],
  ["", "git", /exit code 1/],
])("classifies %j", (stderr, code, message) => {
  const error = classifyFailure(["fetch"], 1, stderr);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});
