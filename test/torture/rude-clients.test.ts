/** Clients that hang up, dawdle or stall, by accident or on purpose: nobody else may feel it. */
import { readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { beforeEach, expect, test } from "vitest";
import { packet } from "../../src/git/pkt-line.ts";
import { startServer, type RunningServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { descendants, waitUntil } from "../support/processes.ts";

/** A program that says how it would be named as an owner, and stays. */
const { outputFiles } = buildSync({
  stdin: {
    contents: 'import { ownTag } from "./owner.ts"; console.log(ownTag()); setInterval(() => undefined, 1000);',
    resolveDir: fileURLToPath(new URL("../../src/disk", import.meta.url)),
  },
  bundle: true,
  platform: "node",
  format: "esm",
  write: false,
});
const tagOfItself = outputFiles[0]?.text ?? "";

let cwd: string;
let head: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`file${n}.txt`, `${n}\n`.repeat(2000)]));
  head = await makeRepository(join(cwd, "work"), files);
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
});

const fetchRequest = (more = "") =>
  `${packet("command=fetch")}0001${packet("no-progress")}${packet(`want ${head}\n`)}${more}${packet("done\n")}0000`;
const postOf = (length: string, body: string) =>
  `POST /owner/repo/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nGit-Protocol: version=2\r\n` +
  `Content-Type: application/x-git-upload-pack-request\r\n${length}\r\n\r\n${body}`;
const whole = (body: string) => postOf(`Content-Length: ${body.length}`, body);
const chunk = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n`;

function dial(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

const openFiles = ({ pid }: RunningServer) => readdirSync(`/proc/${pid}/fd`).length;
const clone = ({ url }: RunningServer, to: string) => git(cwd, ["clone", "-q", `${url}/owner/repo`, to]);

test.each([
  ["with its memory of answers", [] as string[]],
  ["without", ["--git-cache-size", "0"]],
])("400 clients that hang up at once leave nothing behind, %s", async (_what, options) => {
  const server = await startServer(["--no-tls", ...options], { cwd });
  await clone(server, "first");
  const before = openFiles(server);
  const requests = [
    whole(fetchRequest()),
    // Nobody has asked for this before, so that git has to run.
    ...Array.from({ length: 9 }, (_, n) => whole(fetchRequest(packet(`have ${String(n).padStart(40, "0")}\n`)))),
    whole(fetchRequest()).slice(0, -20),
    postOf("Transfer-Encoding: chunked", chunk("00")),
    "GET /owner/repo/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: localhost\r\n\r\n",
  ];
  for (let n = 0; n < 400; n++) {
    const socket = dial(server.port);
    socket.write(requests[n % requests.length] ?? "");
    await new Promise((resolve) => setTimeout(resolve, n % 20));
    socket.resetAndDestroy();
  }
  await waitUntil(() => descendants(server.pid).length === 0, "git to end");
  await waitUntil(() => openFiles(server) <= before, "files to be closed");
  await clone(server, "second");
  expect(server.log()).not.toMatch(/"level":[56]0/);
  expect(await server.stop("SIGTERM")).toBe(0);
});

test("requests that were sent one behind another go with their connection", async () => {
  const server = await startServer(["--no-tls"], { cwd });
  await clone(server, "first");
  const before = openFiles(server);
  for (let n = 0; n < 20; n++) {
    const socket = dial(server.port);
    const have = (m: number) => packet(`have ${String(n * 10 + m).padStart(40, "0")}\n`);
    socket.write(Array.from({ length: 6 }, (_, m) => whole(fetchRequest(have(m)))).join(""));
    socket.write("GET /names HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3));
    await new Promise((resolve) => setTimeout(resolve, n * 5));
    socket.resetAndDestroy();
  }
  await waitUntil(() => descendants(server.pid).length === 0, "git to end");
  await waitUntil(() => openFiles(server) <= before, "files to be closed");
  await clone(server, "second");
  expect(server.log()).not.toMatch(/"level":[56]0|Warning/);
  expect(await server.stop("SIGTERM")).toBe(0);
});

test("clients that read slowly what is kept for nobody take no place from others", async () => {
  const server = await startServer(["--no-tls", "--git-max-processes", "2", "--git-cache-size", "0"], { cwd });
  const slow = Array.from({ length: 4 }, () => dial(server.port));
  for (const socket of slow) {
    socket.write(whole(fetchRequest()));
    socket.pause();
  }
  await waitUntil(() => openFiles(server) > 8, "answers to be made");
  await clone(server, "clone");
  await waitUntil(() => descendants(server.pid).length === 0, "git to end before its readers do");
  expect(slow.every(({ destroyed }) => !destroyed)).toBe(true);
  for (const socket of slow) socket.destroy();
});

test("thousands who say nothing keep nobody else from connecting, when their time has come neither", async () => {
  const server = await startServer(["--no-tls"], { cwd });
  const silent: Socket[] = [];
  for (let n = 0; n < 4000; n++) {
    const socket = dial(server.port);
    // A part of them has begun a request.
    if (n % 2 === 0) socket.write("GET /names HTTP/1.1\r\n");
    silent.push(socket);
    if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Each is looked at when it has been so for half a minute.
  const until = Date.now() + 36_000;
  const connects = async () => {
    const socket = dial(server.port);
    await once(socket, "connect", { signal: AbortSignal.timeout(10_000) });
    socket.destroy();
    const signal = AbortSignal.timeout(10_000);
    return (await fetch(`${server.url}/health/live`, { headers: { connection: "close" }, signal })).status;
  };
  while (Date.now() < until) {
    expect(await connects()).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  for (const socket of silent) socket.destroy();
  await waitUntil(() => openFiles(server) < 100, "their connections to be closed");
}, 120_000);

test("clients that send slowly keep nobody from git", async () => {
  const server = await startServer(["--no-tls", "--git-max-processes", "2"], { cwd });
  const haves = Array.from({ length: 6000 }, (_, n) => packet(`have ${String(n).padStart(40, "0")}\n`)).join("");
  const slow = Array.from({ length: 8 }, () => dial(server.port));
  for (const socket of slow) {
    const begin = `${packet("command=fetch")}0001${packet(`want ${head}\n`)}`;
    socket.write(postOf("Transfer-Encoding: chunked", chunk(begin) + chunk(haves)));
  }
  // A long request goes to a file without a name.
  await waitUntil(() => openFiles(server) > 8, "the requests to be read");
  expect(descendants(server.pid)).toEqual([]);
  await clone(server, "clone");
  for (const socket of slow) socket.destroy();
  await waitUntil(() => descendants(server.pid).length === 0, "git to end");
});

test("a long request is answered as a short one is", async () => {
  const server = await startServer(["--no-tls"], { cwd });
  const haves = Array.from({ length: 8000 }, (_, n) => packet(`have ${String(n).padStart(40, "0")}\n`)).join("");
  const headers = { "git-protocol": "version=2", "content-type": "application/x-git-upload-pack-request" };
  const body = fetchRequest(haves);
  expect(body.length).toBeGreaterThan(256 * 1024);
  const answer = await fetch(`${server.url}/owner/repo/git-upload-pack`, { method: "POST", headers, body });
  expect(Buffer.from(await answer.arrayBuffer()).toString("latin1")).toMatch(/000dpackfile\n.{4}\x01PACK/s);
});

test("a client whose request cannot be answered is told so by git, and the log blames nobody", async () => {
  const server = await startServer(["--no-tls"], { cwd });
  const asked = git(cwd, ["clone", "-q", "--shallow-exclude=refs/heads/none", `${server.url}/owner/repo`, "clone"]);
  await expect(asked).rejects.toThrow(/remote error: ambiguous deepen-not: deepen-not refs\/heads\/none/);
  expect(server.log()).toContain('"words":"ambiguous deepen-not: deepen-not refs/heads/none"');
  expect(server.log()).not.toMatch(/"level":[456]0/);
});

test("connections that are in the middle of a TLS handshake end with the server", async () => {
  const server = await startServer(["--grace", "30"], { cwd });
  const idle = [dial(server.tlsPort), dial(server.tlsPort), dial(server.port)];
  idle[0]?.write(Buffer.from([0x16, 0x03, 0x01]));
  await waitUntil(() => idle.every(({ connecting }) => !connecting), "the connections");
  await fetch(`${server.url}/health`);
  expect(await server.stop("SIGTERM")).toBe(0);
  for (const socket of idle) socket.destroy();
});

test("behind a proxy that is trusted, the client that it names is the one in the log", async () => {
  const server = await startServer(["--no-tls", "--trust-proxy", "127.0.0.0/8"], { cwd });
  await fetch(`${server.url}/names`, { headers: { "x-forwarded-for": "192.0.2.7" } });
  await waitUntil(() => server.log().includes('"client":"192.0.2.7"'), "the client in the log");
  const plain = await startServer(["--no-tls"], { cwd });
  await fetch(`${plain.url}/names`, { headers: { "x-forwarded-for": "192.0.2.7" } });
  await waitUntil(() => plain.log().includes('"client":"127.0.0.1"'), "the proxy in the log");
  expect(plain.log()).not.toContain("192.0.2.7");
});

test("a first start that was killed while it signed is mended by the next", async () => {
  const dir = join(cwd, "new");
  await mkdir(join(dir, ".lock/writer"), { recursive: true });
  const dead = spawn(process.execPath, ["--input-type=module", "-e", tagOfItself]);
  const [tag] = (await once(dead.stdout, "data")) as [Buffer];
  await writeFile(join(dir, ".lock/writer/owner"), `${tag.toString().trim()} 0123456789abcdef01234567`);
  dead.kill("SIGKILL");
  await once(dead, "close");
  const server = await startServer(["--no-tls", "--mirror", dir], { cwd });
  expect((await fetch(`${server.url}/names`)).status).toBe(200);
});
