/** Health says what clients will find: each way in which a mirror breaks, and is mended again. */
import { appendFile, cp, mkdir, readFile, readdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { Health } from "../../src/health/health.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { testApp, type TestApp } from "../support/app.ts";

let folder: string;
let server: TestApp;
let pack: string;
const repository = "git/github.com/owner/repo.git";

beforeEach(async () => {
  folder = await temporaryFolder();
  await cp(join(fixtures, "golden/hex"), join(folder, "hex"), { recursive: true });
  await makeRepository(join(folder, "work"));
  await git(folder, ["clone", "-q", "--bare", "work", repository]);
  await git(join(folder, repository), ["repack", "-adq"]);
  const packs = await readdir(join(folder, repository, "objects/pack"));
  pack = `${repository}/objects/pack/${packs.find((name) => name.endsWith(".pack")) ?? ""}`;
  server = await testApp(folder);
});

const get = (url: string) => server.app.inject({ method: "GET", url, headers: { host: "localhost" } });
const health = async () => (await get("/health")).json<Health>();
const at = (path: string) => join(folder, path);
const eventually = { timeout: 15_000, interval: 50 };

async function flipBit(file: string, offset: number): Promise<void> {
  const bytes = await readFile(at(file));
  const index = offset < 0 ? bytes.length + offset : offset;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  await rm(at(file));
  await writeFile(at(file), bytes);
}

interface State {
  readonly what: string;
  readonly break: () => Promise<unknown>;
  readonly status: Health["status"];
  readonly problem: RegExp;
}

const gone = (path: string) => async () => rm(at(path), { recursive: true });

const states: State[] = [
  {
    what: "a pack is damaged",
    break: async () => flipBit(pack, 40),
    status: "degraded",
    problem: /the copy of https:\/\/github\.com\/owner\/repo cannot be read whole: the pack pack-\S+ is damaged/,
  },
  {
    what: "a pack is truncated",
    break: async () => {
      await rename(at(pack), at("whole"));
      await cp(at("whole"), at(pack));
      await truncate(at(pack), 60);
    },
    status: "degraded",
    problem: /owner\/repo cannot be read whole: pack-\S+ and its index do not fit/,
  },
  { what: "a pack is gone", break: async () => rm(at(pack)), status: "degraded", problem: /pack-\S+\.pack is gone/ },
  {
    what: "an index is nothing but zeros",
    break: async () => {
      const index = at(pack.replace(/pack$/, "idx"));
      const { length } = await readFile(index);
      await rm(index);
      await writeFile(index, Buffer.alloc(length));
    },
    status: "degraded",
    problem: /owner\/repo cannot be read whole: pack-\S+ and its index do not fit/,
  },
  { what: "the git folder is gone", break: gone("git"), status: "unhealthy", problem: /the folder git was served/ },
  {
    what: "HEAD leads nowhere",
    break: async () => writeFile(at(`${repository}/HEAD`), "ref: refs/heads/gone\n"),
    status: "degraded",
    problem: /owner\/repo has a HEAD that leads nowhere: there is no refs\/heads\/gone/,
  },
  {
    what: "a tarball is gone",
    break: gone("hex/tarballs/elm-0.0.1.tar"),
    status: "degraded",
    problem: /the tarball elm-0\.0\.1\.tar is listed and not here/,
  },
  {
    what: "a tarball is damaged",
    break: async () => flipBit("hex/tarballs/elm-0.0.1.tar", 2000),
    status: "degraded",
    problem: /the tarball elm-0\.0\.1\.tar is not what its record says/,
  },
  {
    what: "all tarballs are gone",
    break: gone("hex/tarballs"),
    status: "unhealthy",
    problem: /none of the 10 tarballs of the registry is here/,
  },
  {
    what: "a record is gone",
    break: gone("hex/packages/elm"),
    status: "degraded",
    problem: /the record of elm is listed and not here/,
  },
  {
    what: "a record is damaged",
    break: async () => flipBit("hex/packages/elm", 40),
    status: "degraded",
    problem: /the record of elm cannot be served/,
  },
  {
    what: "a record is a folder",
    break: async () => {
      await rm(at("hex/packages/elm"));
      await mkdir(at("hex/packages/elm"));
    },
    status: "degraded",
    problem: /the record of elm is no regular file/,
  },
  { what: "the hex folder is gone", break: gone("hex"), status: "unhealthy", problem: /the folder hex was served/ },
  {
    what: '"names" is another resource',
    break: async () => cp(at("hex/versions"), at("hex/names")),
    status: "unhealthy",
    problem: /"names" is not the list of what "versions" has/,
  },
  {
    what: "an unsigned tarball was dropped in",
    break: async () => cp(at("hex/tarballs/elm-0.0.1.tar"), at("hex/tarballs/elm-0.0.2.tar")),
    status: "degraded",
    problem: /the tarball elm-0\.0\.2\.tar is here and not signed; run "mirror-server build"/,
  },
  {
    what: '"public_key" is gone',
    break: gone("hex/public_key"),
    status: "unhealthy",
    problem: /is not signed yet, or not whole/,
  },
  // Beyond those that clients' git and Hex were seen to fail in.
  {
    what: '"names" is a package',
    break: async () => cp(at("hex/packages/elm"), at("hex/names")),
    status: "unhealthy",
    problem: /"names" is not the list|cannot be served/,
  },
  {
    what: "all records are gone",
    break: gone("hex/packages"),
    status: "unhealthy",
    problem: /none of the 5 records of the registry is here/,
  },
  {
    what: "a record is another package's",
    break: async () => cp(at("hex/packages/birch"), at("hex/packages/elm")),
    status: "degraded",
    problem: /the record of elm is that of "birch"/,
  },
  {
    what: "an index was truncated where it lies",
    break: async () => truncate(at(pack.replace(/pack$/, "idx")), 100),
    status: "degraded",
    problem: /do not fit/,
  },
  {
    what: "a repository has no object left",
    break: gone(`${repository}/objects/pack`),
    status: "degraded",
    problem: /owner\/repo has refs and no objects/,
  },
  {
    what: "packed-refs is half a file",
    break: async () => truncate(at(`${repository}/packed-refs`), 60),
    status: "degraded",
    problem: /owner\/repo has packed-refs that are damaged/,
  },
  {
    what: "the hex folder was emptied",
    break: async () => {
      for (const name of await readdir(at("hex"))) await rm(at(`hex/${name}`), { recursive: true });
    },
    status: "unhealthy",
    problem: /the folder hex was served and is empty now/,
  },
  {
    what: "what stands in the way is a link",
    break: async () => {
      await rm(at("hex/versions"));
      await symlink("/nowhere", at("hex/versions"));
    },
    status: "unhealthy",
    problem: /the registry|hex\/versions/,
  },
  {
    what: "a tarball was written over where it lies",
    break: async () => appendFile(at("hex/tarballs/birch-2.3.4.tar"), "more"),
    status: "degraded",
    problem: /the tarball birch-2\.3\.4\.tar is not what its record says/,
  },
];

describe.each(states)("when $what", ({ break: damage, status, problem }) => {
  test(`it is ${status}, says so, and is ok again when that is mended`, async () => {
    expect(await health()).toMatchObject({ status: "ok", problems: [], hex: { packages: 5, releases: 10 } });
    for (const room of ["hex", "git"]) await cp(at(room), at(`kept/${room}`), { recursive: true });
    await damage();
    await expect.poll(async () => (await health()).problems.join("\n"), eventually).toMatch(problem);
    const answer = await get("/health");
    expect(answer.json()).toMatchObject({ status });
    expect(answer.body).not.toContain(folder);
    const code = status === "unhealthy" ? 503 : 200;
    expect([answer.statusCode, (await get("/health/ready")).statusCode]).toEqual([code, code]);
    expect((await get("/health/live")).statusCode).toBe(200);
    for (const room of ["hex", "git"]) {
      await rm(at(room), { recursive: true, force: true });
      await cp(at(`kept/${room}`), at(room), { recursive: true });
    }
    await expect.poll(async () => (await health()).status, eventually).toBe("ok");
  });
});

test("what git could not give to a client is told until it could, or the repository is another", async () => {
  // Whole by all that a look tells, but for an object that a ref names.
  const dir = at(repository);
  await writeFile(join(dir, "refs/heads/other"), `${"1".repeat(40)}\n`);
  const advertise = async () => get("/github.com/owner/repo.git/info/refs?service=git-upload-pack");
  const object = (await readFile(join(dir, "packed-refs"), "utf8")).match(/^([0-9a-f]{40}) refs\/heads\/main/m)?.[1];
  expect(object).toBeDefined();
  expect(await health()).toMatchObject({ status: "ok" });
  await rm(at(pack));
  await rm(at(pack.replace(/pack$/, "idx")));
  await advertise();
  await fetchAll(object ?? "");
  await expect.poll(async () => (await health()).problems.join(), eventually).toMatch(/could not be given to a client/);
  expect((await health()).problems.join()).not.toContain(folder);
  // Refs that are listed say nothing of a pack.
  await advertise();
  expect((await health()).problems.join()).toMatch(/could not be given to a client/);
});

const fetchAll = async (object: string) =>
  server.app.inject({
    method: "POST",
    url: "/github.com/owner/repo.git/git-upload-pack",
    headers: { host: "localhost", "content-type": "application/x-git-upload-pack-request" },
    payload: `0032want ${object}\n00000009done\n`,
  });

test("a client that asks for what is listed and not whole is told of in the log", async () => {
  await expect.poll(async () => (await health()).status, eventually).toBe("ok");
  await rm(at("hex/tarballs/elm-0.0.1.tar"));
  expect((await get("/tarballs/elm-0.0.1.tar")).statusCode).toBe(404);
  expect((await get("/tarballs/elm-7.0.0.tar")).statusCode).toBe(404);
  await flipBit("hex/tarballs/birch-2.3.4.tar", 2000);
  await expect.poll(async () => (await health()).problems.length, eventually).toBe(2);
  await get("/tarballs/birch-2.3.4.tar");
  const warned = server.log.filter((line) => line.includes("a client asked for"));
  expect(warned.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    expect.stringContaining(
      "a client asked for /tarballs/elm-0.0.1.tar: tarballs/elm-0.0.1.tar is listed and not here",
    ),
    expect.stringContaining("a client asked for /tarballs/birch-2.3.4.tar: the tarball birch-2.3.4.tar is not what"),
  ]);
});
