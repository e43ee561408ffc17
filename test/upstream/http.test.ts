/** What one transfer gets over: breaks, damage, encodings, redirects; and what it does not put up with. */
import { randomBytes } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileSink } from "../../src/upstream/arrival.ts";
import { MirrorError } from "../../src/errors.ts";
import type { GetOptions, HttpAnswer } from "../../src/upstream/http.ts";
import { troubleOf } from "../../src/upstream/trouble.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";
import { openAsking, startScripted, startSilent, type Asking, type Scripted } from "../support/upstreams.ts";

const content = randomBytes(100_000);
const options: GetOptions = { maxSize: 1_000_000 };
const whole = ({ body }: HttpAnswer) => body;
/** As a caller that knows the checksum. */
const right = ({ status, body }: HttpAnswer) => {
  if (status !== 200 || !body.equals(content)) throw new MirrorError("integrity", "it is something else");
  return body;
};
const get = async ({ http }: Asking, { url }: Pick<Scripted, "url">, more: Partial<GetOptions> = {}) =>
  http.get(`${url}/thing`, { ...options, ...more }, right);

function send(response: ServerResponse, bytes: Buffer, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
}

/** Half of it, then the line breaks. */
function cut(response: ServerResponse, bytes: Buffer, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-length": bytes.length, ...headers });
  response.write(bytes.subarray(0, bytes.length / 2), () => setTimeout(() => response.destroy(), 20));
}

function sendRest({ headers }: IncomingMessage, response: ServerResponse, bytes: Buffer, etag: string): void {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1]);
  response
    .writeHead(206, { etag, "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
    .end(bytes.subarray(from));
}

describe("a broken transfer", () => {
  test("is continued by range where a validator tells that the rest fits", async () => {
    const server = await startScripted((request, response, before) =>
      before === 0 ? cut(response, content, { etag: '"1"' }) : sendRest(request, response, content, '"1"'),
    );
    const received: number[] = [];
    await get(openAsking(), server, { onBytes: (count) => received.push(count) });
    expect(server.requests[1]?.headers).toMatchObject({ range: "bytes=50000-", "if-range": '"1"' });
    expect(received.reduce((sum, count) => sum + count)).toBe(content.length);
  });

  test("asks by Last-Modified where there is no strong ETag", async () => {
    const date = "Tue, 15 Nov 1994 12:45:26 GMT";
    const server = await startScripted((request, response, before) =>
      before === 0
        ? cut(response, content, { etag: 'W/"1"', "last-modified": date })
        : sendRest(request, response, content, 'W/"1"'),
    );
    await get(openAsking(), server);
    expect(server.requests[1]?.headers["if-range"]).toBe(date);
  });

  test.each([
    ["without a validator", {}, (_: IncomingMessage, response: ServerResponse) => send(response, content)],
    [
      "when it has changed meanwhile",
      { etag: '"1"' },
      (_: IncomingMessage, response: ServerResponse) => send(response, content, { etag: '"2"' }),
    ],
  ])("begins again %s", async (_, headers, second) => {
    const other = randomBytes(100_000);
    const server = await startScripted((request, response, before) =>
      before === 0 ? cut(response, other, headers) : second(request, response),
    );
    expect(await get(openAsking(), server)).toEqual(content);
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ["begins elsewhere", "bytes 40000-99999/100000", 206],
    ["is of another size", "bytes 50000-99999/123456", 206],
    ["ends too early", "bytes 50000-89999/100000", 206],
    ["is none", "", 416],
  ])("begins again when the rest %s", async (_, range, status) => {
    const server = await startScripted((_request, response, before) => {
      if (before === 0) cut(response, content, { etag: '"1"' });
      else if (before === 1) {
        response.writeHead(status, { etag: '"1"', "content-range": range }).end(randomBytes(50_000));
      } else send(response, content);
    });
    expect(await get(openAsking(), server)).toEqual(content);
    expect(server.requests[2]?.headers.range).toBeUndefined();
  });

  test("of which the rest is right by its headers and wrong by its bytes comes once more, whole", async () => {
    const server = await startScripted((request, response, before) => {
      if (before === 0) cut(response, content, { etag: '"1"' });
      else if (before === 1) sendRest(request, response, randomBytes(100_000), '"1"');
      else send(response, content);
    });
    expect(await get(openAsking(), server)).toEqual(content);
    expect(server.requests[2]?.headers.range).toBeUndefined();
  });

  test("of a file goes on in the file", async () => {
    const place = placeAt(await temporaryFolder()).at("thing");
    const server = await startScripted((request, response, before) =>
      before === 0 ? cut(response, content, { etag: '"1"' }) : sendRest(request, response, content, '"1"'),
    );
    const { http } = openAsking();
    const downloaded = await http.download(`${server.url}/thing`, place, options, () => undefined);
    expect(downloaded).toMatchObject({ status: 200, bytes: content.length });
    expect(await readFile(place.path)).toEqual(content);
  });
});

test("a part that nobody asked for is not taken for the whole", async () => {
  const server = await startScripted((_request, response, before) => {
    if (before > 0) send(response, content);
    else response.writeHead(206, { "content-range": "bytes 0-99/100000" }).end(content.subarray(0, 100));
  });
  const { http } = openAsking();
  expect(await http.get(`${server.url}/thing`, options, whole)).toEqual(content);
});

describe("damage", () => {
  test("is asked for once more, and no more than that", async () => {
    let good = 1;
    const server = await startScripted((_request, response, before) =>
      send(response, before === good ? content : randomBytes(100_000)),
    );
    expect(await get(openAsking(), server)).toEqual(content);
    good = 1_000;
    server.requests.length = 0;
    await expect(get(openAsking(), server)).rejects.toMatchObject({
      code: "integrity",
      message: "it is something else",
    });
    expect(server.requests).toHaveLength(2);
  });

  test("of a file leaves nothing of the first try", async () => {
    const place = placeAt(await temporaryFolder()).at("thing");
    const server = await startScripted((_request, response, before) =>
      send(response, before === 0 ? randomBytes(200_000) : content),
    );
    const { http } = openAsking();
    await http.download(`${server.url}/thing`, place, options, ({ bytes }) => {
      if (bytes !== content.length) throw new MirrorError("integrity", "too long");
    });
    expect(await readFile(place.path)).toEqual(content);
  });
});

test("a disk that is full is our own trouble, and no reason to ask again", async () => {
  const full = await open("/dev/full", "w");
  onTestFinished(() => full.close());
  await expect(new FileSink(full).write(content)).rejects.toMatchObject({ code: "storage" });
});

describe("an answer that says that it cannot", () => {
  test.each([408, 425, 429, 500, 502, 503, 504])("%i is asked for again", async (status) => {
    const server = await startScripted((_request, response, before) =>
      before < 2 ? response.writeHead(status).end() : send(response, content),
    );
    expect(await get(openAsking(), server)).toEqual(content);
  });

  test("is told with its status when it stays so, and without the URL's query", async () => {
    const server = await startScripted((_request, response) => response.writeHead(503).end());
    const { http } = openAsking();
    const asked = http.get(`${server.url}/thing?X-Signature=secret`, options, right);
    await expect(asked).rejects.toMatchObject({ message: `upstream answered ${server.url}/thing with status 503` });
    expect(server.requests).toHaveLength(4);
  });

  test.each([
    ["seconds", () => "1"],
    ["a date", () => new Date(Date.now() + 1500).toUTCString()],
  ])("is left alone for as long as it says, in %s, by everybody who asks that host", async (_, value) => {
    let until = 0;
    const early: string[] = [];
    const server = await startScripted((request, response, before) => {
      if (before === 0) {
        const retryAfter = value();
        until = Date.now() + (retryAfter === "1" ? 1000 : Date.parse(retryAfter) - Date.now());
        response.writeHead(429, { "retry-after": retryAfter }).end();
        return;
      }
      if (Date.now() < until - 50) early.push(request.url ?? "");
      send(response, content);
    });
    const { http } = openAsking({ connections: 1 });
    const all = ["/a", "/b", "/c"].map(async (path) => http.get(server.url + path, options, right));
    await Promise.all(all);
    expect(early).toEqual([]);
  });

  test("is not waited for when it wants too long", async () => {
    const server = await startScripted((_request, response) =>
      response.writeHead(503, { "retry-after": "3600" }).end(),
    );
    await expect(get(openAsking(), server)).rejects.toThrow(/status 503, and wants to be left alone for 3600 s/);
    expect(server.requests).toHaveLength(1);
  });

  test.each([400, 401, 403, 404, 410, 501])("%i is an answer, and asked for once", async (status) => {
    const server = await startScripted((_request, response) => response.writeHead(status).end("no"));
    const { http } = openAsking();
    expect(await http.get(`${server.url}/thing`, options, (answer) => answer.status)).toBe(status);
    expect(server.requests).toHaveLength(1);
  });
});

test("a refusal that comes as a page is somebody's on the way; another is upstream's", async () => {
  const server = await startScripted(({ url }, response) => {
    const page = url === "/blocked" ? { "content-type": "text/html" } : { "content-type": "application/xml" };
    response.writeHead(403, page).end("<html>no</html>".replace("html", url === "/blocked" ? "html" : "Error"));
  });
  const { http } = openAsking();
  expect(await http.get(`${server.url}/absent`, options, ({ status }) => status)).toBe(403);
  await expect(http.get(`${server.url}/blocked`, options, whole)).rejects.toThrow(/a proxy or a portal answered/);
});

describe("redirects", () => {
  test("are followed three times, and not four", async () => {
    const server = await startScripted(({ url = "" }, response) => {
      const left = Number(url.slice(1));
      if (left === 0) send(response, content);
      else response.writeHead(302, { location: `/${left - 1}` }).end();
    });
    const { http } = openAsking();
    expect(await http.get(`${server.url}/3`, options, right)).toEqual(content);
    await expect(http.get(`${server.url}/4`, options, right)).rejects.toThrow(/redirects more than 3 times/);
  });

  test("take no token to another port, host or scheme, and keep it on the same one", async () => {
    const other = await startScripted((_request, response) => send(response, content));
    const server = await startScripted(({ url }, response) => {
      if (url === "/here") send(response, content);
      else response.writeHead(307, { location: url === "/away" ? `${other.url}/thing?sig=1` : "/here" }).end();
    });
    const { http } = openAsking({ tokenFor: () => "by scope" });
    await http.get(`${server.url}/away`, { ...options, token: "secret" }, right);
    await http.get(`${server.url}/near`, { ...options, token: "secret" }, right);
    await http.get(`${server.url}/away`, options, right);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      "secret",
      "secret",
      "secret",
      "by scope",
    ]);
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  });

  test("are asked for where they begin once more when what they lead to is damaged", async () => {
    const server = await startScripted(({ url }, response, before) => {
      if (url === "/thing") response.writeHead(302, { location: `/there?try=${before}` }).end();
      else send(response, before < 2 ? randomBytes(100_000) : content);
    });
    expect(await get(openAsking(), server)).toEqual(content);
    expect(server.requests.map(({ line }) => line)).toEqual([
      "GET /thing",
      "GET /there?try=0",
      "GET /thing",
      "GET /there?try=2",
    ]);
  });

  test("to a host that is silent say so of that host, and leave the one that redirects alone", async () => {
    const silent = await startSilent();
    const server = await startScripted(({ url }, response) =>
      url === "/here" ? send(response, content) : response.writeHead(302, { location: `${silent.url}/x` }).end(),
    );
    const asking = openAsking();
    const gone = ["/a", "/b", "/c"].map(async (path) => asking.http.get(server.url + path, options, whole));
    const results = await Promise.allSettled(gone);
    expect(results.map((each) => (each.status === "rejected" ? String(each.reason) : "came"))).toEqual(
      Array.from({ length: 3 }, () => `MirrorError: 127.0.0.1:${silent.port} does not answer`),
    );
    expect(await asking.http.get(`${server.url}/here`, options, right)).toEqual(content);
    expect(asking.told).toEqual([`127.0.0.1:${silent.port} does not answer`]);
  });

  test("show no query of theirs", async () => {
    const server = await startScripted(({ url }, response) =>
      url === "/thing" ? response.writeHead(302, { location: "/s3?X-Signature=secret" }).end() : response.destroy(),
    );
    const error: unknown = await get(openAsking(), server).catch((caught: unknown) => caught);
    expect(String(error)).toMatch(/the transfer of .*\/s3 broke/);
    expect(String(error)).not.toMatch(/secret/);
  });

  test("lead to no host that may not be asked, nor to what is no URL", async () => {
    const server = await startScripted(({ url }, response) =>
      response.writeHead(302, { location: url === "/thing" ? "http://localhost:1/x" : "http://[" }).end(),
    );
    const asking = openAsking({ mayAsk: async () => false });
    await expect(get(asking, server)).rejects.toMatchObject({ code: "refused" });
    await expect(asking.http.get(`${server.url}/other`, options, right)).rejects.toThrow(/redirects to what is no URL/);
    expect(server.requests).toHaveLength(2);
  });
});

describe("an encoding that nobody asked for", () => {
  test.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["br, gzip", (bytes: Buffer) => gzipSync(brotliCompressSync(bytes))],
  ])("%s is undone, in memory and in a file", async (encoding, encode) => {
    const server = await startScripted((_request, response) =>
      send(response, encode(content), { "content-encoding": encoding }),
    );
    const asking = openAsking();
    expect(await get(asking, server)).toEqual(content);
    expect(server.requests[0]?.headers["accept-encoding"]).toBe("identity");
    const place = placeAt(await temporaryFolder()).at("thing");
    const { bytes } = await asking.http.download(`${server.url}/thing`, place, options, () => undefined);
    expect([bytes, await readFile(place.path)]).toEqual([content.length, content]);
  });

  test("gzip that only describes what is gzip by itself is left as it is; one that is put around it goes", async () => {
    const record = gzipSync(content);
    const encoded = [record, gzipSync(record)];
    const server = await startScripted((_request, response, before) =>
      send(response, encoded[before % 2] ?? record, { "content-encoding": "gzip" }),
    );
    const { http } = openAsking();
    const gzip = { ...options, isGzip: true };
    expect(await http.get(`${server.url}/thing`, gzip, whole)).toEqual(record);
    expect(await http.get(`${server.url}/thing`, gzip, whole)).toEqual(record);
    // Whatever it would unpack to.
    const large = gzipSync(Buffer.alloc(10_000_000));
    const archive = await startScripted((_request, response) =>
      send(response, large, { "content-encoding": "x-gzip" }),
    );
    expect(await http.get(`${archive.url}/a.tar.gz`, gzip, whole)).toEqual(large);
    const place = placeAt(await temporaryFolder()).at("thing.tar.gz");
    await http.download(`${server.url}/thing.tar.gz`, place, gzip, () => undefined);
    expect(await readFile(place.path)).toEqual(record);
  });

  test("is damage when it cannot be undone, and bounded by the size of what comes out", async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const server = await startScripted(({ url }, response) =>
      send(response, url === "/bomb" ? bomb : content, { "content-encoding": "gzip" }),
    );
    const asking = openAsking();
    await expect(get(asking, server)).rejects.toMatchObject({ code: "integrity" });
    await expect(asking.http.get(`${server.url}/bomb`, options, whole)).rejects.toMatchObject({ code: "too_large" });
  });

  test.each(["utf-8", "aws-chunked", "gzip, gzip, gzip, gzip"])(
    "%s is none: the bytes are as they are",
    async (encoding) => {
      const server = await startScripted((_request, response) =>
        send(response, content, { "content-encoding": encoding }),
      );
      expect(await get(openAsking(), server)).toEqual(content);
    },
  );
});

describe("a page instead of the thing", () => {
  const page = Buffer.from("<!DOCTYPE html><html>Sign in</html>");

  test.each([
    ["by its type", Buffer.from("Sign in"), { "content-type": "text/html; charset=utf-8" }],
    ["by what it is", page, {}],
    ["by what it is, whatever its type", page, { "content-type": "application/octet-stream" }],
  ])("is told %s, and passes", async (_, bytes, headers) => {
    const server = await startScripted((_request, response, before) =>
      before === 0 ? send(response, bytes, headers) : send(response, content),
    );
    expect(await get(openAsking(), server)).toEqual(content);
    const portal = await startScripted((_request, response) => send(response, bytes, headers));
    const error: unknown = await get(openAsking(), portal).catch((caught: unknown) => caught);
    expect(String(error)).toContain(`a proxy or a portal answered, not ${portal.host}`);
    expect(troubleOf(error)?.kind).toBe("page");
  });

  test("is none when it was asked for, or when it is what it should be", async () => {
    const server = await startScripted((_request, response) => send(response, page, { "content-type": "text/html" }));
    const { http } = openAsking();
    const isPage = async (path: string) => http.get(`${server.url}/${path}`, options, (answer) => answer.isPage);
    expect([await isPage("index.html"), await isPage("tool")]).toEqual([false, true]);
    expect(await http.get(`${server.url}/tool`, options, whole)).toEqual(page);
  });
});

describe("an answer that does not move", () => {
  test.each([
    ["that trickles", 100, /came at less than 100 bytes a second/],
    ["that stands still", 0, /stood still for 0\.6 s/],
  ])("%s is ended, and the rest comes by range", async (_, every, message) => {
    let trickles = 1;
    const server = await startScripted((request, response, before) => {
      if (before >= trickles) {
        sendRest(request, response, content, '"1"');
        return;
      }
      response.writeHead(200, { etag: '"1"', "content-length": content.length });
      response.write(content.subarray(0, 10));
      let at = 10;
      const timer = every === 0 ? undefined : setInterval(() => response.write(content.subarray(at, (at += 1))), every);
      response.on("close", () => clearInterval(timer));
    });
    expect(await get(openAsking(), server)).toEqual(content);
    trickles = 1_000;
    server.requests.length = 0;
    await expect(get(openAsking(), server)).rejects.toThrow(message);
  });

  test("at a speed that its size does not allow is ended", async () => {
    const server = await startScripted((_request, response) => {
      response.writeHead(200, { "content-length": content.length });
      const timer = setInterval(() => response.write(content.subarray(0, 100)), 50);
      response.on("close", () => clearInterval(timer));
    });
    const limits = { leastTime: 0.5, slowestAverage: 1_000_000, tries: 1 };
    await expect(get(openAsking({ limits }), server)).rejects.toThrow(/took longer than \d s for \d+ bytes/);
  });

  test("and is not too large is waited for, however slowly it comes", async () => {
    const small = Buffer.alloc(400, 7);
    const server = await startScripted((_request, response) => {
      response.writeHead(200, { "content-length": small.length });
      let at = 0;
      const timer = setInterval(() => {
        response.write(small.subarray(at, (at += 20)));
        if (at >= small.length) response.end();
      }, 100);
      response.on("close", () => clearInterval(timer));
    });
    const { http } = openAsking();
    expect(await http.get(`${server.url}/thing`, options, whole)).toEqual(small);
  });

  test("is told when it is larger than it may be", async () => {
    const server = await startScripted((_request, response) => send(response, content));
    await expect(get(openAsking(), server, { maxSize: 1000 })).rejects.toMatchObject({ code: "too_large" });
    expect(server.requests).toHaveLength(1);
  });
});

test("what is stopped in the middle says so, and leaves nothing running", async () => {
  const server = await startScripted(() => undefined);
  const stop = new AbortController();
  const asked = get(openAsking(), server, { signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  await expect(asked).rejects.toMatchObject({ code: "cancelled" });
});
