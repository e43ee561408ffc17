/** `/api/mirror`: what it tells, that it is described as it is, and who may hear it. */
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import { answers } from "../../src/serve/openapi.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { testApp, type TestApp } from "../support/app.ts";

let folder: string;
let server: TestApp;
let revision: string;

const lock = (entries: object) => JSON.stringify({ hex: [], git: [], submodules: [], ...entries });
const release = (name: string, version: string) => ({ app: name, name, version, repository: "hexpm" });

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(folder, "hex"), { recursive: true });
  revision = await makeRepository(join(folder, "work"));
  await git(folder, ["clone", "-q", "--bare", "work", "git/github.com/owner/repo.git"]);
  await mkdir(join(folder, "locks"));
  await writeFile(
    join(folder, "locks/whole.json"),
    lock({
      hex: [release("alder", "1.10.0"), release("elm", "0.0.1")],
      git: [{ app: "repo", url: "https://github.com/owner/repo.git", revision, options: {} }],
    }),
  );
  await writeFile(
    join(folder, "locks/lacking.json"),
    lock({
      hex: [release("alder", "9.9.9"), release("birch", "2.3.4")],
      git: [{ app: "gone", url: "https://github.com/owner/repo.git", revision: "1".repeat(40), options: {} }],
      skipped: [{ app: "odd", reason: "its source is not known" }],
    }),
  );
  await mkdir(join(folder, "files/github.com/o/r"), { recursive: true });
  await writeFile(join(folder, "files/github.com/o/r/tool"), "tool");
  server = await testApp(folder);
});

const get = (url: string, headers: Record<string, string> = {}) =>
  server.app.inject({ method: "GET", url, headers: { host: "localhost", ...headers } });

interface Told {
  readonly locks: readonly { name: string; is_covered: boolean; lacks: { item: string; state: string }[] }[];
}

describe("what it tells", () => {
  test("is which lock is covered, and of the others what is missing, damaged and skipped", async () => {
    const { locks } = (await get("/api/mirror")).json<Told>();
    const shown = locks.map(({ name, is_covered: isCovered, lacks }) => [
      name,
      isCovered,
      lacks.map(({ state, item }) => `${state} ${item}`),
    ]);
    expect(shown).toEqual([
      [
        "lacking",
        false,
        ["missing alder 9.9.9", `missing https://github.com/owner/repo ${"1".repeat(40)}`, "skipped odd"],
      ],
      ["whole", true, []],
    ]);
    await rm(join(folder, "hex/tarballs/elm-0.0.1.tar"));
    await expect
      .poll(async () => (await get("/api/mirror")).json<Told>().locks[1])
      .toMatchObject({ is_covered: false, lacks: [{ item: "elm 0.0.1", state: "missing" }] });
  });

  test("is described by a document that is served, and every answer is as described", async () => {
    const asked: Record<keyof typeof answers, string> = {
      "": "",
      "/packages": "/packages",
      "/packages/{repository}/{name}": "/packages/hexpm/alder",
      "/git": "/git",
      "/git/{host}/{path}": "/git/github.com/owner/repo",
      "/files": "/files",
      "/requests": "/requests",
      "/works": "/works",
    };
    await get("/tarballs/elm-0.0.1.tar");
    await server.activity.during("sync of whole", server.reporter, async (reporter) => reporter.begin(2));
    const document = (await get("/api/mirror/openapi.json")).json<{
      openapi: string;
      paths: Record<string, unknown>;
    }>();
    expect(document.openapi).toBe("3.1.0");
    for (const [path, { schema }] of Object.entries(answers)) {
      expect(Object.keys(document.paths)).toContain(`/api/mirror${path}`);
      const answer = await get(`/api/mirror${asked[path as keyof typeof answers]}`);
      expect([path, answer.statusCode, answer.headers["content-type"]]).toEqual([
        path,
        200,
        "application/json; charset=utf-8",
      ]);
      const { success, error } = strict(schema).safeParse(answer.json());
      expect([path, success, error?.message]).toEqual([path, true, undefined]);
    }
    // What is written down is what the schemas say, too: by the document alone.
    const text = JSON.stringify(document);
    for (const word of ["is_covered", "outer_checksum", "advisories", "locked"]) expect(text).toContain(word);
  });

  test("goes on where a lock, or what lies beside, cannot be read", async () => {
    await writeFile(join(folder, "locks/broken.json"), "{");
    await symlink("/nowhere", join(folder, "hex/docs"));
    const { locks } = (await get("/api/mirror")).json<Told>();
    expect(locks.map(({ name, is_covered: isCovered }) => [name, isCovered])).toEqual([
      ["broken", false],
      ["lacking", false],
      ["whole", true],
    ]);
    expect((await get("/metrics")).body).toContain('mirror_lock_covered{lock="broken"} 0');
    await symlink("/nowhere", join(folder, "hex/repos"));
    expect((await get("/health")).statusCode).toBe(200);
  });

  test("is JSON at / for machines and a page for people", async () => {
    expect((await get("/")).json()).toEqual((await get("/api/mirror")).json());
    const page = await get("/", { accept: "text/html,*/*" });
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'self'; script-src 'self'/);
  });

  test.each(["/api/mirror/packages/hexpm/nothing", "/api/mirror/git/github.com/no/repo", "/api/mirror/nothing"])(
    "is nothing at %s",
    async (path) => {
      const answer = await get(path);
      expect([answer.statusCode, answer.json()]).toEqual([404, expect.objectContaining({ status: 404 })]);
    },
  );

  test("is found by words, by hex.pm's API as well, which owns up to what it cannot know", async () => {
    const names = async (path: string) => (await get(path)).json<{ name: string }[]>().map(({ name }) => name);
    expect(await names("/api/mirror/packages?search=alder")).toEqual(["alder"]);
    expect(await names("/api/packages?search=ALD")).toEqual(["alder"]);
    expect(await names("/api/packages")).toEqual(["alder", "birch", "cedar_web", "dogwood", "elm"]);
    expect(await names("/api/packages?page=2")).toEqual([]);
    // Which lock wants what is no part of it.
    expect(await names("/api/packages?search=whole")).toEqual([]);
    expect(await names("/api/mirror/packages?search=whole")).toEqual(["alder", "elm"]);
    const [alder] = (await get("/api/packages?search=alder")).json<object[]>();
    expect(alder).toMatchObject({ latest_version: "1.10.0", downloads: null, owners: null });
    expect((await get("/api/packages/alder")).json()).toMatchObject({ downloads: null, owners: null });
  });
});

/** The same schema, that takes no more than it names. */
function strict(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodArray) return z.array(strict(schema.element as z.ZodType));
  return schema instanceof z.ZodObject ? schema.strict() : schema;
}

describe("what tokens guard", () => {
  const guarded = ["/", "/ui/packages", "/ui/packages/hexpm/alder", "/ui/live", "/api/mirror", "/api/mirror/events"];

  test.each([false, true])(
    "is told to nobody without one, on no page and in no stream (everything: %s)",
    async (all) => {
      server = await testApp(folder, { tokens: ["letmein"], isAllGuarded: all });
      for (const path of [...guarded, "/api/mirror/packages", "/api/mirror/git", "/metrics", "/docs/alder/1.0.0/"]) {
        for (const accept of ["text/html", "*/*"]) {
          const { statusCode, body } = await get(path, { accept });
          expect([path, statusCode]).toEqual([path, 401]);
          expect(body).not.toMatch(/birch|owner|whole/);
        }
        const wrong = await get(path, { authorization: "Bearer wrong", cookie: "mirror_session=00" });
        expect([path, wrong.statusCode]).toEqual([path, 401]);
      }
      expect((await get("/api/mirror", { authorization: "Bearer letmein" })).statusCode).toBe(200);
      expect((await get("/ui/assets/style.css")).statusCode).toBe(200);
    },
  );

  const login = async (token: string, next = "/ui/git") =>
    server.app.inject({
      method: "POST",
      url: "/login",
      headers: { host: "localhost", "content-type": "application/x-www-form-urlencoded" },
      payload: new URLSearchParams({ token, next }).toString(),
    });

  test("is shown to a session, which opens the page alone, until it ends", async () => {
    server = await testApp(folder, { tokens: ["letmein"], isAllGuarded: true });
    expect((await login("wrong")).statusCode).toBe(401);
    const answer = await login("letmein");
    expect([answer.statusCode, answer.headers.location]).toEqual([303, "/ui/git"]);
    const header = String(answer.headers["set-cookie"]);
    expect(header).toMatch(/^mirror_session=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    expect(header).not.toContain("letmein");
    const cookie = header.split(";", 1)[0] ?? "";
    expect((await get("/api/mirror", { cookie })).statusCode).toBe(200);
    for (const path of ["/packages/alder", "/tarballs/elm-0.0.1.tar", "/metrics", "/github.com/o/r/tool"]) {
      expect([path, (await get(path, { cookie })).statusCode]).toEqual([
        path,
        path === "/packages/alder" || path.startsWith("/tarballs") ? 403 : 401,
      ]);
    }
    await server.app.inject({ method: "POST", url: "/logout", headers: { host: "localhost", cookie } });
    expect((await get("/api/mirror", { cookie })).statusCode).toBe(401);
  });

  test.each(["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", ""])(
    "is nobody's who lures with %s",
    async (next) => {
      server = await testApp(folder, { tokens: ["letmein"] });
      expect((await login("letmein", next)).headers.location).toBe("/");
    },
  );
});

test("files of others come in a sandbox where a browser would run them", async () => {
  for (const [name, isBoxed] of [
    ["page.html", true],
    ["image.svg", true],
    ["feed.xml", true],
    ["tool.bin", false],
  ] as const) {
    await writeFile(join(folder, "files/github.com/o/r", name), "<script>alert(1)</script>");
    const { headers } = await get(`/github.com/o/r/${name}`);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect([name, headers["content-security-policy"]]).toEqual([
      name,
      isBoxed ? "sandbox; default-src 'none'" : undefined,
    ]);
  }
});
