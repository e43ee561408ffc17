/** Real git: repositories to mirror, a real HTTP server in front of them, and a client that reads nobody's settings. */
import { execFile, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { KeyAndCertificate } from "../../src/tls/certificates.ts";
import { listenOnLoopback, switchable } from "./loopback.ts";

const execute = promisify(execFile);

/** What a git of tests may see: no user's configuration, fixed names and dates, so that commits have fixed ids. */
export const gitEnvironment: Record<string, string> = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  LC_ALL: "C.UTF-8",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "test@example.invalid",
  GIT_AUTHOR_DATE: "2020-01-01T00:00:00Z",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "test@example.invalid",
  GIT_COMMITTER_DATE: "2020-01-01T00:00:00Z",
};

/** Runs git and returns its trimmed output; throws with its stderr when it fails. */
export async function git(cwd: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await execute("git", args, {
    cwd,
    env: { ...gitEnvironment, ...env },
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout.trim();
}

/** Environment for our own program: its git finds github.com on loopback. */
export function redirectGit(rules: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(rules);
  return Object.fromEntries([
    ["GIT_CONFIG_COUNT", String(entries.length)],
    ...entries.flatMap(([from, to], index) => [
      [`GIT_CONFIG_KEY_${index}`, `url.${to}.insteadOf`],
      [`GIT_CONFIG_VALUE_${index}`, from],
    ]),
  ]) as Record<string, string>;
}

/** A work tree with one commit. */
export async function makeRepository(dir: string, files: Record<string, string> = { "README.md": "hello\n" }) {
  await mkdir(dir, { recursive: true });
  await git(dir, ["init", "--quiet", "--initial-branch=main"]);
  return commit(dir, files, "first");
}

/** @returns the new commit's id */
export async function commit(dir: string, files: Record<string, string>, message: string): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  await git(dir, ["add", "--all"]);
  await git(dir, ["commit", "--quiet", "--allow-empty", "--message", message]);
  return git(dir, ["rev-parse", "HEAD"]);
}

export interface GitUpstream {
  readonly url: string;
  /** `GET /owner/repo.git/info/refs?service=…`, in order. */
  readonly log: string[];
  /** Bytes of a fetch after which its connection breaks; undefined: it holds. */
  cutAfter: number | undefined;
  /** Called before the ordinary answer; returns true when it has answered by itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Bytes of answers, so far. */
  sent: number;
  /** As when its machine is off, and when it is there again. */
  off: () => Promise<void>;
  on: () => Promise<void>;
}

/**
 * Serves every repository below `root` by git's own `http-backend`: the reference, and none of our code.
 * @param identity what it shows over https; undefined: http
 */
export async function startGitUpstream(root: string, identity?: KeyAndCertificate): Promise<GitUpstream> {
  const log: string[] = [];
  const upstream: GitUpstream = {
    url: "",
    log,
    cutAfter: undefined,
    intercept: () => false,
    sent: 0,
    off: async () => undefined,
    on: async () => undefined,
  };
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    log.push(`${request.method} ${request.url}`);
    if (upstream.intercept(request, response)) return;
    const { pathname, search } = new URL(request.url ?? "/", "http://upstream");
    const child = spawn("git", ["http-backend"], {
      env: {
        ...gitEnvironment,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_COUNT: "2",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
        GIT_CONFIG_KEY_1: "uploadpack.allowAnySHA1InWant",
        GIT_CONFIG_VALUE_1: "true",
        PATH_INFO: decodeURIComponent(pathname),
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method ?? "GET",
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        ...(request.headers["content-encoding"] ? { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] } : {}),
      },
    });
    request.pipe(child.stdin);
    child.stdin.on("error", () => undefined);
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("close", () => {
      const output = Buffer.concat(chunks);
      const end = output.indexOf("\r\n\r\n");
      const head = output.toString("latin1", 0, Math.max(end, 0)).split("\r\n");
      const fields = head.map((line): [string, string] => [line.split(": ")[0] ?? "", line.split(": ")[1] ?? ""]);
      const headers = Object.fromEntries(fields.filter(([name]) => name !== "Status" && name !== ""));
      const status = Number(/^Status: (\d+)/m.exec(head.join("\n"))?.[1] ?? 200);
      const body = output.subarray(end + 4);
      response.writeHead(status, headers);
      upstream.sent += body.length;
      if (upstream.cutAfter === undefined || body.length <= upstream.cutAfter) response.end(body);
      else response.write(body.subarray(0, upstream.cutAfter), () => request.socket.destroy());
    });
  };
  const server = identity === undefined ? createServer(answer) : createSecureServer(identity, answer);
  const url = await listenOnLoopback(server);
  return Object.assign(upstream, { url, ...switchable(server) });
}
