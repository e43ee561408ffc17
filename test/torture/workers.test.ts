/** Several processes that answer on the same ports behave as one server. */
import { cp, mkdir, rename, readFile, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { descendants, isAlive, waitUntil } from "../support/processes.ts";
import { ask } from "../support/wire.ts";

let cwd: string;
const alder = "/packages/alder";
const file = () => join(cwd, ".mirror/hex", alder);

beforeEach(async () => {
  cwd = await temporaryFolder();
  await mkdir(join(cwd, ".mirror"));
  await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
  await makeRepository(join(cwd, "work"));
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
});

const start = (...args: string[]): Promise<RunningServer> => startServer(["--workers", "2", ...args], { cwd });

/** Each on a connection of its own, which go to the workers in turns. */
const askSome = (port: number, path: string, headers: Record<string, string> = {}) =>
  Promise.all(Array.from({ length: 6 }, () => ask(port, path, { headers })));

test("files are answered by all of them, and what another process writes is seen by each at once", async () => {
  const { port } = await start();
  const before = await readFile(file());
  for (let n = 0; n < 3; n += 1) {
    for (const { status, body, headers } of await askSome(port, alder)) {
      expect([status, body.equals(before)]).toEqual([200, true]);
      // What they say among themselves is nobody's business.
      expect(Object.keys(headers).filter((name) => name.startsWith("x-mirror-server"))).toEqual([]);
    }
  }
  for (let n = 0; n < 20; n += 1) {
    await writeFile(`${file()}.new`, `content ${n}`);
    await rename(`${file()}.new`, file());
    const bodies = (await askSome(port, alder)).map(({ body }) => body.toString());
    expect(new Set(bodies)).toEqual(new Set([`content ${n}`]));
  }
});

test("memory spares the one behind them, and each request is in the log", async () => {
  const { port, log } = await start();
  const lines = () =>
    log()
      .split("\n")
      .filter((line) => line.includes(alder));
  // Lines of the application's have a number of its own; those of a worker's do not.
  const byWorkers = () => lines().filter((line) => !line.includes("reqId"));
  let asked = 0;
  await waitUntil(async () => {
    asked += (await askSome(port, alder)).length;
    return byWorkers().length >= 6;
  }, "workers to answer by themselves");
  await waitUntil(() => lines().length === asked, "a line for each request");
  for (const line of lines()) {
    const { status, client, path } = JSON.parse(line) as Record<string, unknown>;
    expect([status, client, path]).toEqual([200, "127.0.0.1", alder]);
  }
});

test("git, health, HTTPS, ranges, refusals and large requests come through", async () => {
  const { port, url, tlsPort } = await start();
  await git(cwd, ["clone", "-q", `${url}/owner/repo.git`, "clone"]);
  expect((await git(join(cwd, "clone"), ["rev-parse", "HEAD"])).trim()).toBe(
    (await git(join(cwd, "work"), ["rev-parse", "HEAD"])).trim(),
  );
  const ca = join(cwd, "certs/ca.pem");
  await git(cwd, ["-c", `http.sslCAInfo=${ca}`, "clone", "-q", `https://localhost:${tlsPort}/owner/repo.git`, "tls"]);
  for (const { status, body } of await askSome(port, "/health")) {
    expect([status, (JSON.parse(body.toString()) as { git: unknown }).git]).toMatchObject([200, { repositories: 1 }]);
  }
  for (const { status, body } of await askSome(port, "/tarballs/elm-0.0.1.tar", { range: "bytes=0-6" })) {
    expect([status, body.toString()]).toEqual([206, "VERSION"]);
  }
  expect((await askSome(port, "/packages/nothing")).map(({ status }) => status)).toEqual(Array(6).fill(404));
  expect((await ask(port, alder, { method: "DELETE" })).status).toBe(405);
  // Neither length nor framing is lost on the way.
  const body = randomBytes(300_000).toString("hex");
  const type = { "content-type": "application/x-git-upload-pack-request" };
  const post = (headers: Record<string, string>) =>
    ask(port, "/owner/repo.git/git-upload-pack", { method: "POST", headers: { ...type, ...headers }, body });
  const sized = await post({ "content-length": String(body.length) });
  const chunked = await post({ "transfer-encoding": "chunked" });
  expect([chunked.status, chunked.body]).toEqual([sized.status, sized.body]);
  expect(sized.status).toBeLessThan(500);
});

test("a client that goes away takes its git process with it", async () => {
  const { port, pid } = await start();
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "POST /owner/repo.git/git-upload-pack HTTP/1.1\r\nHost: localhost\r\n" +
      "Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 1000\r\n\r\n0000",
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  socket.destroy();
  await waitUntil(() => descendants(pid).length === 2, "only the workers to be left");
  expect((await ask(port, "/health")).status).toBe(200);
});

test("who may read what is said by the one behind them", async () => {
  await writeFile(join(cwd, "tokens"), "token-1\n");
  const { port } = await start("--require-token", join(cwd, "tokens"), "--require-token", "all");
  for (let n = 0; n < 3; n += 1) {
    const admitted = await askSome(port, alder, { authorization: "token-1" });
    expect(new Set(admitted.map(({ status }) => status))).toEqual(new Set([200]));
    const others = [...(await askSome(port, alder)), ...(await askSome(port, alder, { authorization: "token-2" }))];
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([403]));
  }
});

test("requests of any bytes are answered, and end no worker", async () => {
  const { port, pid } = await start();
  const before = descendants(pid);
  const targets = "/\xff\xfe /%00%ff /a\tb * // http://github.com:99999/x".split(" ");
  const lines = [
    ...targets.map((target) => `GET ${target} HTTP/1.1`),
    "PURGE / HTTP/1.1",
    "GET /x HTTP/1.0",
    "GET /a b",
  ];
  for (const line of lines) {
    const socket = connect(port, "127.0.0.1");
    socket.write(Buffer.from(`${line}\r\nHost: a\r\nX-Odd: \xff\xe9\r\nConnection: close\r\n\r\n`, "latin1"));
    expect(await text(socket)).toMatch(/^HTTP\/1\.[01] [2345]\d\d /);
  }
  expect(descendants(pid)).toEqual(before);
});

test("nobody outside can speak as a worker", async () => {
  const { port, log } = await start();
  const headers = {
    "x-mirror-server-place": "1 10.0.0.1",
    "x-mirror-server-file": "/etc/passwd",
    "x-forwarded-for": "10.0.0.2",
  };
  for (let n = 0; n < 4; n += 1)
    expect((await ask(port, "/public_key", { headers })).body.toString()).toMatch(/^-----BEGIN/);
  expect(log()).not.toMatch(/10\.0\.0\.[12]/);
});

test("commands of the same user know it", async () => {
  const { port, tlsPort } = await start();
  const { code, stdout, stderr } = await mirrorServer(["env", "--port", String(port), "--tls-port", String(tlsPort)], {
    cwd,
  });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain(`http://127.0.0.1:${port}`);
});

describe("processes", () => {
  test("one that ends is missed for no longer than it takes to start another", async () => {
    const { port, pid, log } = await start();
    const before = descendants(pid);
    expect(before.length).toBe(2);
    // One that ended sooner after its start would be waited with.
    await new Promise((resolve) => setTimeout(resolve, 5500));
    process.kill(before[0] ?? 0, "SIGKILL");
    await waitUntil(
      () => descendants(pid).length === 2 && !descendants(pid).includes(before[0] ?? 0),
      "another worker",
    );
    await waitUntil(
      async () => (await askSome(port, "/health")).every(({ body }) => body.includes('"status":"ok"')),
      "health",
    );
    expect(log()).toContain("a worker has ended");
  });

  test("one that ends at once is told of by health, the others serve, and it comes back", async () => {
    const { port, pid } = await start();
    const [first = 0] = descendants(pid);
    process.kill(first, "SIGKILL");
    await waitUntil(() => !isAlive(first), "it to end");
    const health = await waitForHealth(port, "degraded");
    expect(health.problems).toEqual(["1 of 2 workers run; the log tells why"]);
    expect((await ask(port, alder)).status).toBe(200);
    await waitForHealth(port, "ok");
    expect(descendants(pid).length).toBe(2);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)("none outlives the server that got %s", async (signal) => {
    const { pid, stop } = await start();
    const workers = descendants(pid);
    onTestFinished(() => workers.filter(isAlive).forEach((worker) => process.kill(worker, "SIGKILL")));
    expect(workers.length).toBe(2);
    const code = await stop(signal);
    expect(code).toBe(signal === "SIGTERM" ? 0 : null);
    await waitUntil(() => !workers.some(isAlive), "workers to end");
  });

  test("a folder whose path is too long for their socket is told of", async () => {
    const long = join(cwd, "long".repeat(30));
    await mkdir(long);
    const args = ["serve", "--workers", "2", "--port", "0", "--no-tls"];
    const { code, stderr } = await mirrorServer(args, { cwd, env: { TMPDIR: long } });
    expect([code, stderr]).toEqual([2, expect.stringContaining("too long a path for a socket between workers")]);
  });

  test("a port that is taken is told of as ever, and nothing stays behind", async () => {
    const { port } = await start();
    const { code, stderr } = await mirrorServer(["serve", "--workers", "2", "--port", String(port), "--no-tls"], {
      cwd,
    });
    expect([code, stderr]).toEqual([2, expect.stringContaining(`port ${port}`)]);
  });
});

async function waitForHealth(port: number, status: string): Promise<{ problems: string[] }> {
  let health: { status: string; problems: string[] } | undefined;
  await waitUntil(async () => {
    health = JSON.parse((await ask(port, "/health")).body.toString()) as { status: string; problems: string[] };
    return health.status === status;
  }, `health to be ${status}`);
  return health ?? { problems: [] };
}
