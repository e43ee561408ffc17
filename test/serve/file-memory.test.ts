/**
 * Files from memory: the same answers as from the disk, and never an old one. The application and what stands in front
 * of it listen on a real socket; the same files are served by @fastify/static alone beside it.
 */
import fastifyStatic from "@fastify/static";
import Fastify from "fastify";
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import { cp, mkdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { headersOfFiles } from "../../src/serve/file-memory.ts";
import { testApp, type TestApp } from "../support/app.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { ask, type WireRequest } from "../support/wire.ts";

let folder: string;
let server: TestApp;
/** How many requests came to the application, past what stands in front of it. */
let passedOn: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(folder, "hex"), { recursive: true });
});

async function start(settings: Parameters<typeof testApp>[1] = {}): Promise<number> {
  server = await testApp(folder, settings);
  passedOn = 0;
  const answer = server.memory.inFrontOf(
    (request, response) => {
      passedOn += 1;
      server.app.routing(request, response);
    },
    { log: undefined, unfinished: () => undefined, answered: () => undefined },
  );
  return listenOnLoopback(createServer(answer));
}

async function listenOnLoopback(listener: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    listener.closeAllConnections();
    await new Promise((resolve) => listener.close(resolve));
  });
  return (listener.address() as AddressInfo).port;
}

/** The same folder, by the plugin alone. */
async function startStatic(): Promise<number> {
  const app = Fastify();
  await app.register(fastifyStatic, {
    root: join(folder, "hex"),
    index: false,
    cacheControl: false,
    setHeaders: (response) => {
      for (const [name, value] of Object.entries(headersOfFiles)) response.setHeader(name, value);
    },
  });
  await app.ready();
  onTestFinished(() => app.close());
  return listenOnLoopback(createServer((request, response) => app.routing(request, response)));
}

const past = new Date("2020-01-01T00:00:00Z").toUTCString();
const future = new Date("2040-01-01T00:00:00Z").toUTCString();
const elm = "/tarballs/elm-0.0.1.tar";
const largest = 5120;

/** `ETAG` and `MODIFIED` stand for what the server in question said of the file. */
const requests: readonly (readonly [string, WireRequest])[] = [
  ["all of it", {}],
  ["its headers", { method: "HEAD" }],
  ["whether it changed, by its tag", { headers: { "if-none-match": "ETAG" } }],
  ["whether it changed, by one of several tags", { headers: { "if-none-match": '"other", ETAG' } }],
  ["whether it changed, by another tag", { headers: { "if-none-match": '"other"' } }],
  ["whether it is there at all", { headers: { "if-none-match": "*" } }],
  ["an empty condition", { headers: { "if-none-match": "" } }],
  ["headers, whether it changed", { method: "HEAD", headers: { "if-none-match": "ETAG" } }],
  ["whether it changed, whatever caches say", { headers: { "if-none-match": "ETAG", "cache-control": "no-cache" } }],
  ["whether it changed since then", { headers: { "if-modified-since": "MODIFIED" } }],
  ["whether it changed since long ago", { headers: { "if-modified-since": past } }],
  ["whether it changed since no date", { headers: { "if-modified-since": "yesterday" } }],
  ["by the tag rather than the date", { headers: { "if-none-match": '"other"', "if-modified-since": future } }],
  ["only another file", { headers: { "if-match": '"other"' } }],
  ["any file that is there", { headers: { "if-match": "*" } }],
  ["only if it is older than that", { headers: { "if-unmodified-since": past } }],
  ["only if it is that old", { headers: { "if-unmodified-since": "MODIFIED" } }],
  ["only if it is older than no date", { headers: { "if-unmodified-since": "yesterday" } }],
  ["the first bytes", { headers: { range: "bytes=0-6" } }],
  ["one byte", { headers: { range: "bytes=7-7" } }],
  ["all but the first bytes", { headers: { range: "bytes=7-" } }],
  ["the last bytes", { headers: { range: "bytes=-7" } }],
  ["more than there is", { headers: { range: `bytes=100-${largest * 2}` } }],
  ["what lies behind the end", { headers: { range: `bytes=${largest}-` } }],
  ["several parts", { headers: { range: "bytes=0-1,100-101" } }],
  ["parts that overlap", { headers: { range: "bytes=0-10,5-20" } }],
  ["parts of another unit", { headers: { range: "lines=0-1" } }],
  ["no range", { headers: { range: "bytes=a-b" } }],
  ["headers of a part", { method: "HEAD", headers: { range: "bytes=0-6" } }],
  ["a part of another file", { headers: { range: "bytes=0-6", "if-range": '"other"' } }],
  ["a part of this file, by date", { headers: { range: "bytes=0-6", "if-range": "MODIFIED" } }],
  ["a part of an older file, by date", { headers: { range: "bytes=0-6", "if-range": past } }],
  ["a part, whether it changed", { headers: { range: "bytes=0-6", "if-none-match": "ETAG" } }],
  ["all of it, with a body of its own", { headers: { "content-length": "2" }, body: "hi" }],
];

/** Of the answers: all but the tag, and what belongs to the connection. */
async function answered(port: number, path: string, asked: WireRequest) {
  const { headers: of } = await ask(port, path, { method: "HEAD" });
  const fill = (text: string) => text.replace("ETAG", of.etag ?? "").replace("MODIFIED", of["last-modified"] ?? "");
  const headers = Object.entries(asked.headers ?? {}).map(([name, value]) => [name, fill(value)] as const);
  const { status, headers: got, body } = await ask(port, path, { ...asked, headers: Object.fromEntries(headers) });
  const { date: _date, etag, connection: _connection, "keep-alive": _alive, "x-mirror": mark, age, ...rest } = got;
  // How it came about is ours to tell.
  expect([undefined, "hit"]).toContain(mark);
  expect(Number(age ?? 0)).toBeGreaterThanOrEqual(0);
  // What a refusal says is ours.
  return status > 400
    ? { status, range: rest["content-range"] }
    : { status, tagged: etag !== undefined, body, ...rest };
}

test("what is signed has a tag, and no date by which one view of it could be taken for another", async () => {
  const port = await start();
  for (const path of ["/packages/elm", "/names", "/versions"]) {
    for (const from of ["the application", "memory"]) {
      const { status, headers } = await ask(port, path, { headers: { "if-modified-since": future } });
      expect([from, status, headers["last-modified"]]).toEqual([from, 200, undefined]);
      const digest = createHash("sha256").update(await readFile(join(folder, "hex", path)));
      expect(headers.etag).toBe(`"${digest.digest("hex").slice(0, 32)}"`);
      expect(await ask(port, path, { headers: { "if-none-match": headers.etag ?? "" } })).toMatchObject({
        status: 304,
      });
    }
  }
});

describe("answers", () => {
  test.each(requests)("a request for %s as the plugin does", async (_, asked) => {
    const [port, plugin] = [await start(), await startStatic()];
    for (const path of [elm, "/public_key"]) {
      const expected = await answered(plugin, path, asked);
      // From the application, then from memory.
      expect(await answered(port, path, asked)).toEqual(expected);
      expect(await answered(port, path, asked)).toEqual(expected);
    }
  });

  test("from memory from the second time on, with a tag that is a digest", async () => {
    const port = await start();
    const first = await ask(port, elm);
    expect(passedOn).toBe(1);
    const second = await ask(port, elm);
    expect(passedOn).toBe(1);
    expect(second).toEqual({ ...first, headers: { ...second.headers } });
    const digest = createHash("sha256").update(first.body).digest("hex").slice(0, 32);
    expect([first.headers.etag, second.headers.etag]).toEqual([`"${digest}"`, `"${digest}"`]);
    expect((await ask(port, elm, { method: "HEAD" })).headers["content-length"]).toBe(String(largest));
    expect(passedOn).toBe(1);
  });

  test("a part of what a client has the tag of, and all of anything else", async () => {
    const port = await start();
    const { headers } = await ask(port, elm);
    const part = { range: "bytes=0-6", "if-range": headers.etag ?? "" };
    const old = { range: "bytes=0-6", "if-range": '"0123"' };
    expect((await ask(port, elm, { headers: part })).status).toBe(206);
    expect((await ask(port, elm, { headers: old })).status).toBe(200);
    expect((await ask(port, elm, { headers: { "if-match": headers.etag ?? "" } })).status).toBe(200);
    expect((await ask(port, elm, { headers: { "if-none-match": `W/${headers.etag ?? ""}` } })).status).toBe(304);
    expect(passedOn).toBe(1);
  });

  test("large files from the disk", async () => {
    await writeFile(join(folder, "hex/tarballs/large-1.0.0.tar"), Buffer.alloc(5_000_000, "x"));
    const port = await start();
    for (let n = 1; n <= 2; n += 1) {
      const { status, body } = await ask(port, "/tarballs/large-1.0.0.tar");
      expect([status, body.length, passedOn]).toEqual([200, 5_000_000, n]);
    }
  });

  test("an empty file", async () => {
    await writeFile(join(folder, "hex/packages/empty"), "");
    const port = await start();
    for (let n = 0; n < 2; n += 1) {
      const { status, body, headers } = await ask(port, "/packages/empty");
      expect([status, body.length, headers["content-length"]]).toEqual([200, 0, "0"]);
    }
  });
});

describe("what another process does is seen by the next request", () => {
  const path = "/packages/alder";
  const file = () => join(folder, "hex", path);
  const changes: Record<string, { change: () => Promise<void>; expected: string | undefined }> = {
    "writes it anew": { change: () => writeFile(file(), "another"), expected: "another" },
    "writes it with the same size": { change: () => writeFile(file(), "Original"), expected: "Original" },
    "writes it with the same size and time": {
      change: async () => {
        await writeFile(file(), "Original");
        await utimes(file(), 1_500_000_000, 1_500_000_000);
      },
      expected: "Original",
    },
    "renames another over it": {
      change: async () => {
        await writeFile(`${file()}.new`, "Original");
        await rename(`${file()}.new`, file());
      },
      expected: "Original",
    },
    "cuts it": { change: () => truncate(file(), 3), expected: "ori" },
    "removes it": { change: () => rm(file()), expected: undefined },
    "moves it away": { change: () => rename(file(), join(folder, "elsewhere")), expected: undefined },
    "moves its folder away": { change: () => rename(join(file(), ".."), join(folder, "away")), expected: undefined },
    "removes the registry": { change: () => rm(join(folder, "hex"), { recursive: true }), expected: undefined },
    "puts a folder in its place": {
      change: async () => {
        await rm(file());
        await mkdir(file());
      },
      expected: undefined,
    },
    "puts a link in its place": {
      change: async () => {
        await rename(file(), join(folder, "elsewhere"));
        await symlink(join(folder, "elsewhere"), file());
      },
      expected: undefined,
    },
    "puts a link in its folder's place": {
      change: async () => {
        await rename(join(file(), ".."), join(folder, "away"));
        await symlink(join(folder, "away"), join(file(), ".."));
      },
      expected: undefined,
    },
  };

  async function expectSeen({ change, expected }: (typeof changes)[string], port: number): Promise<void> {
    const before = await ask(port, path);
    expect([before.status, before.body.toString(), passedOn]).toEqual([200, "original", 1]);
    await change();
    const after = await ask(port, path);
    const told = after.status === 200 ? after.body.toString() : undefined;
    expect([after.status, told]).toEqual([expected === undefined ? 404 : 200, expected]);
    const again = await ask(port, path);
    expect([again.status, again.headers.etag]).toEqual([after.status, after.headers.etag]);
  }

  test.each(Object.entries(changes))("when it %s", async (_, change) => {
    await writeFile(file(), "original");
    await utimes(file(), 1_500_000_000, 1_500_000_000);
    const port = await start();
    await ask(port, path);
    await expectSeen(change, port);
  });

  test.each(Object.entries(changes))("when it %s, long after it was written", async (_, change) => {
    await writeFile(file(), "original");
    await utimes(file(), 1_500_000_000, 1_500_000_000);
    const port = await start({ settledAfter: 20 });
    await ask(port, path);
    await new Promise((resolve) => setTimeout(resolve, 40));
    await expectSeen(change, port);
  });

  test("many times in a row, faster than clocks tick", async () => {
    const port = await start();
    for (let n = 100; n < 400; n += 1) {
      await writeFile(file(), `content ${n}`);
      expect((await ask(port, path)).body.toString()).toBe(`content ${n}`);
    }
  });
});

describe("a file that changes while it is read", () => {
  test("is never mixed, nor told of by another's tag", async () => {
    const path = "/tarballs/busy-1.0.0.tar";
    const file = join(folder, "hex", path);
    const contents = ["a", "b", "c"].map((letter, n) => Buffer.alloc(600_000 + n * 1000, letter));
    const write = async (n: number) => {
      await writeFile(`${file}.new`, contents[n % 3] ?? "");
      await rename(`${file}.new`, file);
    };
    await write(0);
    const port = await start();
    const reading = new AbortController();
    const writing = (async () => {
      for (let n = 1; !reading.signal.aborted; n += 1) await write(n);
    })();
    const seen = new Set<string>();
    for (let n = 0; n < 300; n += 1) {
      const { status, headers, body } = await ask(port, path);
      if (status !== 200) continue;
      const letter = body.subarray(0, 1).toString();
      seen.add(letter);
      expect(body.equals(Buffer.alloc(body.length, letter))).toBe(true);
      const digest = createHash("sha256").update(body).digest("hex").slice(0, 32);
      expect([headers.etag, headers["content-length"]]).toEqual([`"${digest}"`, String(body.length)]);
    }
    reading.abort();
    await writing;
    expect([...seen].sort()).toEqual(["a", "b", "c"]);
  });
});

describe("what is guarded", () => {
  const guarded = "/repos/acme/packages/secret";
  const withToken = (token: string) => ({ headers: { authorization: token } });

  test("stays so for others than who was given it", async () => {
    await mkdir(join(folder, "hex/repos/acme/packages"), { recursive: true });
    await writeFile(join(folder, "hex/repos/acme/packages/secret"), "secret");
    const port = await start({ tokens: ["token-1", "token-2"] });
    for (let n = 0; n < 2; n += 1) {
      expect((await ask(port, guarded, withToken("token-1"))).body.toString()).toBe("secret");
      expect((await ask(port, guarded)).status).toBe(403);
      expect((await ask(port, guarded, withToken("token-3"))).status).toBe(403);
      expect((await ask(port, guarded, withToken("Bearer token-10"))).status).toBe(403);
      expect((await ask(port, guarded, { ...withToken("token-1"), method: "HEAD" })).status).toBe(200);
    }
    expect((await ask(port, guarded, withToken("token-2"))).body.toString()).toBe("secret");
  });

  test("includes everything where everything is", async () => {
    const port = await start({ tokens: ["token"], isAllGuarded: true });
    for (let n = 0; n < 2; n += 1) {
      expect((await ask(port, elm, withToken("token"))).status).toBe(200);
      expect((await ask(port, elm)).status).toBe(403);
    }
  });
});

test("hosts do not get each other's files", async () => {
  await mkdir(join(folder, "upstream/hexpm/packages"), { recursive: true });
  await writeFile(join(folder, "upstream/hexpm/packages/alder"), "as upstream signed it");
  const port = await start();
  const ours = await readFile(join(folder, "hex/packages/alder"));
  for (let n = 0; n < 2; n += 1) {
    const upstreams = await ask(port, "/packages/alder", { headers: { host: "repo.hex.pm" } });
    expect(upstreams.body.toString()).toBe("as upstream signed it");
    expect((await ask(port, "/packages/alder")).body).toEqual(ours);
    expect((await ask(port, "/packages/alder", { headers: { host: "example.org" } })).status).toBe(404);
  }
});
