import { mkdir, rm, symlink, writeFile, cp } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { testApp, type TestApp } from "../support/app.ts";

let folder: string;
let server: TestApp;

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(folder, "hex"), { recursive: true });
  await makeRepository(join(folder, "work"));
  await git(folder, ["clone", "-q", "--bare", "work", "git/github.com/owner/repo.git"]);
  server = await testApp(folder);
});

const get = (url: string, headers: Record<string, string> = {}) =>
  server.app.inject({ method: "GET", url, headers: { host: "localhost", ...headers } });

describe("the registry", () => {
  test("is served as stored, without content encoding, with validators", async () => {
    const answer = await get("/packages/alder");
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    expect(answer.rawPayload.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    const etag = String(answer.headers.etag);
    expect((await get("/packages/alder", { "if-none-match": etag })).statusCode).toBe(304);
    expect((await get("/packages/alder", { "if-none-match": "" })).statusCode).toBe(200);
    expect((await get("/packages/alder", { "accept-encoding": "gzip" })).headers["content-encoding"]).toBeUndefined();
  });

  test("collapses repeated slashes and keeps a plus sign", async () => {
    expect((await get("//packages//alder")).statusCode).toBe(200);
    expect((await get("/tarballs/alder-1.9.2+build.7.tar")).statusCode).toBe(200);
    expect((await get("/tarballs/alder-1.9.2%2Bbuild.7.tar")).statusCode).toBe(200);
  });

  test("answers ranges and HEAD", async () => {
    const part = await get("/tarballs/elm-0.0.1.tar", { range: "bytes=0-6" });
    expect([part.statusCode, part.body]).toEqual([206, "VERSION"]);
    const head = await server.app.inject({
      method: "HEAD",
      url: "/tarballs/elm-0.0.1.tar",
      headers: { host: "localhost" },
    });
    expect([head.statusCode, head.headers["content-length"], head.body]).toEqual([200, "5120", ""]);
  });

  test.each([
    "/private_key.pem",
    "/../private_key.pem",
    "/..%2fprivate_key.pem",
    "/%2e%2e/private_key.pem",
    "/packages/..%2f..%2fprivate_key.pem",
    "/packages",
    "/packages/",
    "/tarballs/",
    "/.hidden",
    "/packages/.alder.tmp-000000000000",
    "/nothing",
    "/packages/alder%00",
    "/own/health",
    "/git/github.com/owner/repo.git/config",
    "/mirror.json",
    "/installs/../private_key.pem",
    "/installs/%2e%2e/private_key.pem",
    "/installs/../../private_key.pem",
  ])("does not serve %s", async (path) => {
    await writeFile(join(folder, "hex/private_key.pem"), "secret");
    await writeFile(join(folder, "private_key.pem"), "secret");
    await writeFile(join(folder, "hex/.hidden"), "secret");
    const answer = await get(path);
    expect([400, 403, 404]).toContain(answer.statusCode);
    expect(answer.body).not.toContain("secret");
  });

  test("a list of installers that we lack is empty, not an error that Mix would print", async () => {
    const answer = await get("/installs/hex-1.x.csv");
    expect([answer.statusCode, answer.body]).toEqual([200, ""]);
  });

  test.each(["POST", "PUT", "DELETE", "PATCH"] as const)("refuses %s in words", async (method) => {
    const answer = await server.app.inject({
      method,
      url: "/packages/alder",
      headers: { host: "localhost" },
      payload: "x",
    });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
    expect(answer.body).toContain("read-only mirror");
  });
});

describe("hosts", () => {
  test("one that we hold nothing of is never answered with another's content", async () => {
    const package_ = await get("/packages/alder", { host: "repo.example.org" });
    expect([package_.statusCode, package_.body]).toEqual([
      404,
      "this mirror holds nothing of the host repo.example.org; where that is a name of the mirror itself, serve it with " +
        "--name repo.example.org\n",
    ]);
    const repository = await get("/owner/repo/info/refs?service=git-upload-pack", { host: "gitlab.com" });
    expect(repository.statusCode).toBe(404);
    expect(repository.body).toContain("https://gitlab.com/owner/repo is not in this mirror");
  });

  test.each([
    ["github.com", "/owner/repo.git"],
    ["github.com", "/owner/repo"],
    ["github.com", "/Owner/REPO.git"],
    ["localhost", "/github.com/owner/repo"],
    ["localhost", "/owner/repo.git"],
    ["mirror.test", "/github.com/owner/repo.git/"],
  ])("%s%s is the one repository", async (host, path) => {
    const answer = await get(`${path}/info/refs?service=git-upload-pack`, { host });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/x-git-upload-pack-advertisement");
    expect(answer.body).toMatch(/^001e# service=git-upload-pack\n0000/);
  });
});

describe("git", () => {
  const refs = (path: string) => get(`${path}/info/refs?service=git-upload-pack`, { host: "github.com" });

  test("speaks version 2 to those who ask for it, and nothing stranger", async () => {
    const url = "/owner/repo/info/refs?service=git-upload-pack";
    const v2 = await get(url, { host: "github.com", "git-protocol": "version=2" });
    expect(v2.body).toMatch(/^000eversion 2\n/);
    const odd = await get(url, { host: "github.com", "git-protocol": "version=2;touch /tmp/x" });
    expect(odd.body).toMatch(/^001e# service/);
  });

  test("a missing repository is named, with how to add it, and is not created", async () => {
    const answer = await refs("/owner/none");
    expect(answer.statusCode).toBe(404);
    expect(answer.body).toBe(
      'https://github.com/owner/none is not in this mirror. Online, run the same command in "mirror-server exec --pull --", ' +
        'which fetches it, or "mirror-server sync" where a lock names it.\n',
    );
    expect((await refs("/owner/none")).statusCode).toBe(404);
  });

  test("a broken repository is an error of ours, which says what is wrong and not where it lies", async () => {
    await rm(join(folder, "git/github.com/owner/repo.git/HEAD"));
    const answer = await refs("/owner/repo");
    expect(answer.statusCode).toBe(500);
    const why = "since its HEAD cannot be read";
    expect(answer.body).toBe(`the mirror does not serve its copy of this repository, ${why}\n`);
    expect(server.log.join("")).toContain(`"dir":"${folder}/git/github.com/owner/repo.git"`);
  });

  test.each([
    ["GET", "/owner/repo.git/info/refs?service=git-upload-archive"],
    ["POST", "/owner/repo.git/git-upload-archive"],
  ] as const)("an archive is refused in words, asked for by %s", async (method, url) => {
    const answer = await server.app.inject({ method, url, headers: { host: "github.com" } });
    expect([answer.statusCode, answer.body]).toEqual([
      403,
      "git archive --remote is not answered here; clone https://github.com/owner/repo, and archive the clone\n",
    ]);
  });

  test("a push is refused in words", async () => {
    const answer = await get("/owner/repo.git/info/refs?service=git-receive-pack", { host: "github.com" });
    expect([answer.statusCode, answer.body]).toEqual([
      403,
      "this is a read-only mirror: push to https://github.com/owner/repo itself, not here.\n",
    ]);
  });

  test.each([
    "/owner/repo.git/config",
    "/owner/repo.git/HEAD",
    "/owner/repo.git/objects/info/packs",
    "/owner/repo.git/info/refs",
    "/owner/..%2f..%2frepo/info/refs?service=git-upload-pack",
    "/owner/%2e%2e/repo/info/refs?service=git-upload-pack",
    "/owner/repo%00/info/refs?service=git-upload-pack",
    "/owner%5crepo/info/refs?service=git-upload-pack",
    "/-owner/repo/info/refs?service=git-upload-pack",
    "/link/repo/info/refs?service=git-upload-pack",
  ])("%s is 404", async (path) => {
    await symlink(join(folder, "outside"), join(folder, "git/github.com/link"));
    await mkdir(join(folder, "outside"), { recursive: true });
    await git(folder, ["clone", "-q", "--bare", "work", "outside/repo.git"]);
    expect((await get(path, { host: "github.com" })).statusCode).toBe(404);
  });

  const post = (payload: Buffer, headers: Record<string, string> = {}) =>
    server.app.inject({
      method: "POST",
      url: "/owner/repo/git-upload-pack",
      headers: {
        host: "github.com",
        "content-type": "application/x-git-upload-pack-request",
        "git-protocol": "version=2",
        ...headers,
      },
      payload,
    });
  const lsRefs = Buffer.from("0014command=ls-refs\n00010000");

  test("request bodies may be plain, gzip or deflate", async () => {
    const plain = await post(lsRefs);
    expect(plain.statusCode).toBe(200);
    expect(plain.body).toContain("refs/heads/main");
    expect((await post(gzipSync(lsRefs), { "content-encoding": "gzip" })).body).toBe(plain.body);
    const { deflateSync } = await import("node:zlib");
    expect((await post(deflateSync(lsRefs), { "content-encoding": "deflate" })).body).toBe(plain.body);
  });

  test("git's probe for authentication, an empty request, is answered with nothing", async () => {
    const answer = await post(Buffer.from("0000"), { "git-protocol": "" });
    expect([answer.statusCode, answer.body]).toEqual([200, ""]);
  });

  test("when too many wait already, a client is told when to come back", async () => {
    const busy = await testApp(folder, { maxProcesses: 0, maxWaiting: 0 });
    const url = "/owner/repo/info/refs?service=git-upload-pack";
    const answer = await busy.app.inject({ method: "GET", url, headers: { host: "github.com" } });
    expect([answer.statusCode, answer.headers["retry-after"]]).toEqual([503, "2"]);
    expect(answer.body).toBe("too many git requests at once; try again in a moment\n");
  });

  test("a broken gzip body is the client's error", async () => {
    const answer = await post(gzipSync(lsRefs).subarray(0, 12), { "content-encoding": "gzip" });
    expect([answer.statusCode, answer.body]).toEqual([400, "the request is cut off, or not compressed as it says\n"]);
    for (const encoding of ["br", "constructor", "__proto__"]) {
      expect((await post(lsRefs, { "content-encoding": encoding })).statusCode).toBe(400);
    }
  });

  test("the body's type does not matter, and odd URLs are not our failure", async () => {
    const plain = await post(lsRefs);
    for (const type of ["text/plain", "application/json"]) {
      expect((await post(lsRefs, { "content-type": type })).body).toBe(plain.body);
    }
    expect((await get("//x:99999999/o/r.git/info/refs?service=git-upload-pack")).statusCode).toBe(404);
  });

  test("a request that unpacks to more than any client needs is refused", async () => {
    const have = `0032have ${"1".repeat(40)}\n`;
    const request = Buffer.concat([Buffer.from("0011command=fetch0001"), Buffer.alloc(70 * 1024 * 1024, have)]);
    const answer = await post(gzipSync(request), { "content-encoding": "gzip" });
    expect([answer.statusCode, answer.body]).toEqual([413, "the request is too large\n"]);
  });
});

describe("the log", () => {
  test("has one line a request, without query or credentials", async () => {
    await get("/names?token=secret", { authorization: "secret", cookie: "secret" });
    const lines = server.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      method: "GET",
      host: "localhost",
      path: "/names",
      status: 200,
      client: "127.0.0.1",
    });
    expect(Object.keys(lines[0] ?? {})).toEqual(expect.arrayContaining(["bytes", "ms"]));
    expect(server.log.join("")).not.toContain("secret");
  });
});

describe("health", () => {
  test("counts what is held", async () => {
    const answer = await get("/health");
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      status: "ok",
      hex: { packages: 5, releases: 10 },
      git: { repositories: 1 },
      problems: [],
    });
  });

  test("is unhealthy when the signature does not fit, and well again when it does", async () => {
    const names = join(folder, "hex/names");
    await cp(join(folder, "hex/versions"), names);
    const { generatePrivateKey, publicKeyPem, readPrivateKey } = await import("../../src/hex/keys.ts");
    await writeFile(join(folder, "hex/public_key"), publicKeyPem(readPrivateKey(generatePrivateKey(), "other")));
    const sick = await get("/health");
    expect(sick.statusCode).toBe(503);
    expect(sick.json()).toMatchObject({
      status: "unhealthy",
      problems: [expect.stringContaining("not signed by the expected key")],
    });
    await cp(join(fixtures, "golden/hex/names"), names);
    await cp(join(fixtures, "golden/hex/public_key"), join(folder, "hex/public_key"));
    await expect.poll(async () => (await get("/health")).statusCode).toBe(200);
  });

  test("is ok when the mirror is empty", async () => {
    server = await testApp(await temporaryFolder());
    expect((await get("/health")).json()).toMatchObject({ status: "ok", hex: { packages: 0, releases: 0 } });
  });

  test("is degraded when a repository is broken: the rest works", async () => {
    await rm(join(folder, "git/github.com/owner/repo.git/refs"), { recursive: true });
    const answer = await get("/health");
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({ status: "degraded", problems: [expect.stringContaining("owner/repo")] });
    expect(answer.body).not.toContain(folder);
  });
});

describe("the face of repo.hex.pm", () => {
  const bytes = Buffer.from("as upstream signed it");
  beforeEach(async () => {
    await mkdir(join(folder, "upstream/hexpm/packages"), { recursive: true });
    await writeFile(join(folder, "upstream/hexpm/packages/alder"), bytes);
    await writeFile(join(folder, "upstream/hexpm/public_key"), "upstream's key");
    await writeFile(join(folder, "upstream/hexpm/validators.json"), "{}");
  });

  test("gives upstream's bytes untouched, by Host header and by first path segment", async () => {
    for (const [path, headers] of [
      ["/packages/alder", { host: "repo.hex.pm" }],
      ["/repo.hex.pm/packages/alder", { host: "localhost:8000" }],
    ] as const) {
      const answer = await get(path, headers);
      expect([answer.statusCode, answer.rawPayload]).toEqual([200, bytes]);
      expect((await get(path, { ...headers, "if-none-match": String(answer.headers.etag) })).statusCode).toBe(304);
    }
    expect((await get("/public_key", { host: "repo.hex.pm" })).body).toBe("upstream's key");
    const tarball = await get("/tarballs/elm-0.0.1.tar", { host: "repo.hex.pm" });
    expect(tarball.rawPayload).toEqual((await get("/tarballs/elm-0.0.1.tar")).rawPayload);
    expect((await get("/installs/hex-1.x.csv", { host: "repo.hex.pm" })).statusCode).toBe(200);
  });

  test.each([
    "/packages/nothing",
    "/tarballs/nothing-1.0.0.tar",
    "/names",
    "/versions",
    "/validators.json",
    "/health",
    "/",
  ])("has no %s", async (path) => {
    expect((await get(path, { host: "repo.hex.pm" })).statusCode).toBe(404);
  });
});

test("a link in the registry is not followed, wherever it leads", async () => {
  await writeFile(join(folder, "private_key.pem"), "secret");
  await symlink("../../private_key.pem", join(folder, "hex/packages/key"));
  await symlink("../names", join(folder, "hex/packages/inside"));
  expect((await get("/packages/key")).statusCode).toBe(404);
  expect((await get("/packages/inside")).statusCode).toBe(404);
});

test("a host that is called like one of the mirror's own rooms does not take it over", async () => {
  await mkdir(join(folder, "git/packages._"), { recursive: true });
  expect((await get("/packages/alder")).statusCode).toBe(200);
});

describe("the API", () => {
  test("tells of a package and of a release in JSON", async () => {
    const answer = await get("/api/packages/alder");
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "application/json; charset=utf-8"]);
    const body = answer.json<{ releases: { version: string }[]; configs: Record<string, string> }>();
    expect(body).toMatchObject({ name: "alder", repository: "hexpm", retirements: {} });
    expect(body.releases.map(({ version }) => version)).toContain("1.9.2+build.7");
    expect(body.configs["mix.exs"]).toMatch(/^\{:alder, "~> /);
    const release = await get("/api/packages/alder/releases/1.9.2+build.7");
    expect(release.json()).toMatchObject({ version: "1.9.2+build.7", retirement: null, meta: { app: "alder" } });
    expect(release.json<{ checksum: string }>().checksum).toMatch(/^[0-9a-f]{64}$/);
    expect((await get("/api/packages/alder/releases/1.9.2%2Bbuild.7")).statusCode).toBe(200);
    expect((await get("/api/packages/alder", { host: "hex.pm" })).statusCode).toBe(200);
  });

  test("answers in Erlang's format to those who ask for it, errors too", async () => {
    const accept = "application/vnd.hex+erlang";
    const found = await get("/api/packages/alder", { accept });
    expect([found.statusCode, found.headers["content-type"], found.rawPayload[0]]).toEqual([200, accept, 131]);
    const none = await get("/api/packages/nothing", { accept });
    expect([none.statusCode, none.headers["content-type"], none.rawPayload[0]]).toEqual([404, accept, 131]);
  });

  test.each([
    "/api/packages/nothing",
    "/api/packages/..%2fnames",
    "/api/packages/alder/releases/9.9.9",
    "/api/packages/alder/releases/x",
    "/api/users/me",
    "/api",
  ])("%s → 404", async (path) => {
    expect((await get(path)).statusCode).toBe(404);
  });
});
