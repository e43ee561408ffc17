/**
 * A mirror that fetches what it is asked for, by the program as it is run: empty at first, with an upstream on loopback that
 * is slow, dies, lies and comes back.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { decodePackage, decodeNames, decodeVersions } from "../../src/hex/records.ts";
import { takeWritersLock } from "../../src/disk/writers-lock.ts";
import { readPublicKey } from "../../src/hex/keys.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import { StorePaths } from "../../src/store/paths.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, makeTarball, mixLock, type MadeTarball } from "../support/tarballs.ts";
import { ask } from "../support/wire.ts";

const online = { MIRROR_OFFLINE: "false" };
const newerAlpha = makeTarball({ name: "alpha", version: "1.2.0" });

let cwd: string;
let hex: HexUpstream;
let flags: string[];

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  const upstream = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
  flags = [...upstream, "--no-tls", "--builds-url", hex.url];
});

const start = async (...more: string[]) =>
  startServer([...flags, "--upstream-timeout", "1s", ...more], { cwd, env: online });

interface Answer {
  readonly status: number;
  readonly mark: string | undefined;
  readonly etag: string | undefined;
  readonly body: Buffer;
}

async function get(server: RunningServer, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { status, headers: got, body } = await ask(server.port, path, { headers });
  expect(Number(got.age ?? 0)).toBeGreaterThanOrEqual(0);
  return { status, mark: got["x-mirror"]?.toString(), etag: got.etag, body };
}

const foldersOf = (folder: string) => ({
  mirror: join(folder, ".mirror"),
  hexDir: join(folder, ".mirror/hex"),
  gitDir: join(folder, ".mirror/git"),
  cacheDir: join(folder, "cache"),
  certsDir: join(folder, "certs"),
  privateKey: join(folder, ".mirror/private_key.pem"),
});

/** As clients read it: by the registry's own key. */
async function versionsOf(server: RunningServer, name: string): Promise<string[]> {
  const key = readPublicKey((await get(server, "/public_key")).body.toString(), "public_key");
  const { status, body } = await get(server, `/packages/${name}`);
  expect(status).toBe(200);
  return decodePackage(verifyAndUnwrap(body, key)).releases.map(({ version }) => version);
}

/** What is so some time after it was asked for: a registry is signed when what was asked for has been answered. */
const eventually = { timeout: 10_000, interval: 100 };
const asked = (pattern: RegExp) => hex.log.filter((line) => pattern.test(line)).length;

describe("packages", () => {
  test("are fetched when they are asked for, once, and held from then on", async () => {
    const server = await start();
    expect(await versionsOf(server, "alpha")).toEqual(["1.0.0"]);
    const first = await get(server, "/tarballs/alpha-1.0.0.tar");
    expect(first).toMatchObject({ status: 200, mark: "miss", body: alpha.bytes });
    for (const path of ["/tarballs/alpha-1.0.0.tar", "/packages/alpha"]) {
      await expect.poll(async () => get(server, path), eventually).toMatchObject({ status: 200, mark: "hit" });
    }
    expect([asked(/packages\/alpha/), asked(/tarballs/)]).toEqual([1, 1]);

    await hex.off();
    await server.stop();
    const later = await start("--offline");
    expect(await versionsOf(later, "alpha")).toEqual(["1.0.0"]);
    expect(await get(later, "/tarballs/alpha-1.0.0.tar")).toMatchObject({ status: 200, body: alpha.bytes });
    await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
    expect(await mirrorServer(["verify", "--deep"], { cwd })).toMatchObject({ code: 0 });
  });

  test("go into the registry on disk at once", async () => {
    const server = await start();
    await get(server, "/tarballs/beta-2.1.0.tar");
    const names = async () => {
      const key = readPublicKey(await readFile(join(cwd, ".mirror/hex/public_key"), "utf8"), "public_key");
      const { packages } = decodeVersions(verifyAndUnwrap(await readFile(join(cwd, ".mirror/hex/versions")), key));
      return packages.map(({ name, versions }) => `${name} ${versions.join()}`);
    };
    await expect.poll(names, eventually).toEqual(["beta 2.1.0"]);
  });

  test("that upstream does not have are not there, and are not asked for again and again", async () => {
    const server = await start();
    for (let count = 0; count < 3; count += 1) {
      expect(await get(server, "/packages/nobody")).toMatchObject({ status: 404 });
      expect(await get(server, "/tarballs/alpha-9.9.9.tar")).toMatchObject({ status: 404 });
    }
    expect(asked(/packages\/nobody/)).toBe(1);
    expect(asked(/tarballs/)).toBe(0);
  });

  test("are asked for once, however many clients want them", async () => {
    const slow = (path: string) => path.startsWith("/packages/") || path.startsWith("/tarballs/");
    hex.intercept = (request, response) => {
      const bytes = hex.files.get(request.url ?? "");
      if (!slow(request.url ?? "") || bytes === undefined) return false;
      setTimeout(() => response.writeHead(200, { etag: '"1"' }).end(bytes), 300);
      return true;
    };
    const server = await start();
    const clients = Array.from({ length: 50 }, async () => {
      const record = await get(server, "/packages/alpha");
      const tarball = await get(server, "/tarballs/alpha-1.0.0.tar");
      return `${record.status} ${tarball.status} ${tarball.body.equals(alpha.bytes)}`;
    });
    expect(new Set(await Promise.all(clients))).toEqual(new Set(["200 200 true"]));
    expect([asked(/packages\/alpha/), asked(/tarballs/)]).toEqual([1, 1]);
  });

  test("whose client goes away come all the same", async () => {
    hex.intercept = (request, response) => {
      if (!request.url?.startsWith("/tarballs/")) return false;
      setTimeout(() => response.writeHead(200).end(hex.files.get(request.url ?? "")), 500);
      return true;
    };
    const server = await start();
    const leaving = new AbortController();
    const left = fetch(`${server.url}/tarballs/alpha-1.0.0.tar`, { signal: leaving.signal }).catch(() => undefined);
    setTimeout(() => leaving.abort(), 200);
    await left;
    await expect
      .poll(async () => readdir(join(cwd, ".mirror/hex/tarballs")).catch(() => []), eventually)
      .toEqual(["alpha-1.0.0.tar"]);
  });
});

describe("what upstream sends", () => {
  test.each([
    ["another tarball", "/tarballs/alpha-1.0.0.tar", () => beta.bytes],
    ["half a tarball", "/tarballs/alpha-1.0.0.tar", () => alpha.bytes.subarray(0, 500)],
    ["a record that nobody signed", "/packages/alpha", () => Buffer.from("hello")],
    ["the record of another package", "/packages/alpha", () => hex.files.get("/packages/beta") ?? Buffer.alloc(0)],
  ])("is verified first: %s reaches no client, and is not kept", async (_, path, sent) => {
    hex.files.set(path, sent());
    const server = await start();
    // Nor is it taken for what is not there when it is asked for again.
    for (const _time of [1, 2]) expect(await get(server, path)).toMatchObject({ status: 502 });
    expect(await readdir(join(cwd, ".mirror/hex/tarballs")).catch(() => [])).toEqual([]);
  });

  test("as a redirect is followed", async () => {
    hex.intercept = (request, response) => {
      if (request.url !== "/tarballs/alpha-1.0.0.tar") return false;
      response.writeHead(302, { location: "/elsewhere" }).end();
      return true;
    };
    hex.files.set("/elsewhere", alpha.bytes);
    const server = await start();
    expect(await get(server, "/tarballs/alpha-1.0.0.tar")).toMatchObject({ status: 200, body: alpha.bytes });
  });
});

describe("while upstream answers and while it does not", () => {
  test("our face lists what upstream lists, and exactly what is held", async () => {
    const server = await start("--max-age", "0");
    await get(server, "/tarballs/alpha-1.0.0.tar");
    hex.publish([alpha, newerAlpha, beta]);
    const both = await get(server, "/packages/alpha");
    expect(both.mark).toBe("revalidated");
    expect(await versionsOf(server, "alpha")).toEqual(["1.0.0", "1.2.0"]);

    await hex.off();
    const held = await get(server, "/packages/alpha", { "if-none-match": both.etag ?? "" });
    expect(held).toMatchObject({ status: 200, mark: "stale" });
    expect(await versionsOf(server, "alpha")).toEqual(["1.0.0"]);
    expect(createHash("sha256").update(held.body).digest("hex").slice(0, 32)).toBe(held.etag?.slice(1, -1));
    expect(await get(server, "/packages/alpha", { "if-none-match": held.etag ?? "" })).toMatchObject({ status: 304 });

    await hex.on();
    await expect.poll(async () => versionsOf(server, "alpha"), eventually).toEqual(["1.0.0", "1.2.0"]);
    const again = await get(server, "/packages/alpha", { "if-none-match": held.etag ?? "" });
    expect(again.status).toBe(200);
    expect(again.body.equals(both.body)).toBe(true);
  }, 30_000);

  test("nobody waits for it more than once", async () => {
    const server = await start("--max-age", "0");
    await get(server, "/tarballs/alpha-1.0.0.tar");
    // It takes what is asked, and says nothing.
    let taken = 0;
    hex.intercept = () => ++taken > 0;
    let first = 0;
    for (let count = 0; count < 6; count += 1) {
      expect(await get(server, "/packages/alpha")).toMatchObject({ status: 200, mark: "stale" });
      first ||= taken;
    }
    expect(first).toBeGreaterThan(0);
    // One may try it anew meanwhile, for nobody who waits.
    expect(taken).toBeLessThanOrEqual(first + 1);
  }, 30_000);

  test("what is not held is no longer told of as not there", async () => {
    const server = await start("--max-age", "0");
    await get(server, "/tarballs/alpha-1.0.0.tar");
    hex.publish([alpha, newerAlpha, beta]);
    await get(server, "/packages/alpha");
    await hex.off();
    const unlisted = ["/tarballs/alpha-1.9.0.tar", "/docs/alpha-1.0.0.tar.gz", "/installs/1.17.0/hex-2.2.1.ez"];
    for (const path of ["/tarballs/alpha-1.2.0.tar", "/packages/beta", "/tarballs/beta-2.1.0.tar", ...unlisted]) {
      const { status, body } = await get(server, path);
      expect([path, status]).toEqual([path, 504]);
      expect(body.toString()).toMatch(/127\.0\.0\.1:\d+/);
    }
    const { status, problems } = (await (await fetch(`${server.url}/health`)).json()) as {
      status: string;
      problems: string[];
    };
    expect(status).toBe("degraded");
    expect(problems.join()).toMatch(/127\.0\.0\.1:\d+ does not answer since \d{4}-/);
  }, 30_000);

  test("a tarball that upstream lists and does not have is not told of as not there", async () => {
    hex.files.delete("/tarballs/alpha-1.0.0.tar");
    const server = await start();
    const { status, body } = await get(server, "/tarballs/alpha-1.0.0.tar");
    expect([status, body.toString()]).toEqual([504, expect.stringMatching(/listed, and can be had neither here nor/)]);
  });
});

describe("where nothing can be kept", () => {
  test("what is not held is passed on as upstream signed it, verified, and our own face is what is held", async () => {
    await (await start()).stop();
    await rm(join(cwd, ".mirror/private_key.pem"));
    const before = await snapshot(join(cwd, ".mirror"));
    const server = await start();
    expect(server.log()).toMatch(/the registry's key is not here, so what clients ask for is passed on/);
    expect(await get(server, "/packages/alpha")).toMatchObject({ status: 404 });
    const record = await get(server, "/repo.hex.pm/packages/alpha");
    expect([record.status, record.body.equals(hex.files.get("/packages/alpha") ?? Buffer.alloc(0))]).toEqual([
      200,
      true,
    ]);
    const tarball = await get(server, "/repo.hex.pm/tarballs/alpha-1.0.0.tar");
    expect(tarball).toMatchObject({ status: 200, mark: "passed", body: alpha.bytes });
    hex.files.set("/tarballs/beta-2.1.0.tar", alpha.bytes);
    expect(await get(server, "/repo.hex.pm/tarballs/beta-2.1.0.tar")).toMatchObject({ status: 502 });
    await server.stop();
    expect(await snapshot(join(cwd, ".mirror"))).toEqual(before);
  });
});

test("several processes answer, and see what changes", async () => {
  const server = await start("--workers", "2", "--max-age", "0");
  for (let count = 0; count < 4; count += 1) {
    expect(await get(server, "/tarballs/alpha-1.0.0.tar")).toMatchObject({ status: 200, body: alpha.bytes });
  }
  hex.publish([alpha, newerAlpha, beta]);
  await expect.poll(async () => versionsOf(server, "alpha"), eventually).toEqual(["1.0.0", "1.2.0"]);
  await hex.off();
  await expect.poll(async () => versionsOf(server, "alpha"), eventually).toEqual(["1.0.0"]);
}, 60_000);

test("an upstream that dies in the middle of everything holds nobody up who asks for what is held", async () => {
  const many = Array.from({ length: 40 }, (_, n) => makeTarball({ name: `package${n}`, version: "1.0.0" }));
  hex.publish([alpha, ...many]);
  const server = await start("--max-age", "0");
  await get(server, "/tarballs/alpha-1.0.0.tar");
  let answered = 0;
  // It takes questions for a while, and then no more; what it took it never answers.
  hex.intercept = () => ++answered > 10;
  const others = many.map(async ({ name, version }) => (await get(server, `/tarballs/${name}-${version}.tar`)).status);
  const waits: number[] = [];
  for (let count = 0; count < 12; count += 1) {
    const began = performance.now();
    expect(await get(server, "/packages/alpha")).toMatchObject({ status: 200 });
    expect(await get(server, "/tarballs/alpha-1.0.0.tar")).toMatchObject({ status: 200 });
    waits.push(performance.now() - began);
  }
  // Once, and then none; a machine under load is slow as well.
  expect(waits.filter((wait) => wait > 900).length).toBeLessThan(waits.length / 2);
  await hex.off();
  // Each came, or could not be asked for; none is said not to be there.
  expect([200, 504]).toEqual(expect.arrayContaining([...new Set(await Promise.all(others))]));
  expect((await get(server, "/packages/alpha")).status).toBe(200);
}, 120_000);

test("a file that is asked for with a query is not taken for the one without", async () => {
  const server = await start("--allow-hosts", "localhost");
  expect((await get(server, "/gitlab.com/owner/repo/archive.tar?sha=1")).status).toBe(404);
  expect(await readdir(join(cwd, ".mirror/files")).catch(() => [])).toEqual([]);
});

test("another process that holds the writers' lock holds nobody up for long, nor the end of the server", async () => {
  const server = await start("--max-age", "0");
  await get(server, "/tarballs/alpha-1.0.0.tar");
  await expect.poll(async () => readdir(join(cwd, ".mirror/hex/packages")), eventually).toEqual(["alpha"]);
  const lock = await takeWritersLock(new StorePaths(foldersOf(cwd)).lockDir, { onWait: () => undefined });
  hex.publish([alpha, newerAlpha, beta]);
  const began = performance.now();
  expect(await get(server, "/packages/alpha")).toMatchObject({ status: 200, mark: "stale" });
  expect(performance.now() - began).toBeLessThan(4000);
  expect(await server.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(20_000);
  await lock.release();
}, 60_000);

describe("lists", () => {
  test("say what upstream's say, by our key and by upstream's, and are fetched only when they are asked for", async () => {
    const server = await start();
    await get(server, "/packages/alpha");
    expect(asked(/names|versions/)).toBe(0);
    const key = readPublicKey((await get(server, "/public_key")).body.toString(), "public_key");
    const names = decodeNames(verifyAndUnwrap((await get(server, "/names")).body, key));
    expect(names.packages.map(({ name }) => name)).toEqual(["alpha", "beta"]);
    const versions = decodeVersions(verifyAndUnwrap((await get(server, "/versions")).body, key));
    expect(versions.packages.map(({ name, versions: all }) => [name, ...all])).toEqual([
      ["alpha", "1.0.0"],
      ["beta", "2.1.0"],
    ]);
    expect(asked(/names|versions/)).toBe(2);
    for (const path of ["names", "versions", "packages/alpha"]) {
      const { status, body } = await get(server, `/repo.hex.pm/${path}`);
      expect([path, status, body.equals(hex.files.get(`/${path}`) ?? Buffer.alloc(0))]).toEqual([path, 200, true]);
    }
    expect(await readdir(join(cwd, ".mirror/upstream/hexpm"))).not.toContain("names");
  });
});

describe("a name that is this mirror's own", () => {
  const mine = makeTarball({ name: "mine", version: "0.1.0" });
  const theirs = makeTarball({ name: "mine", version: "9.0.0" });

  beforeEach(async () => {
    hex.publish([alpha, theirs]);
    await mkdir(join(cwd, ".mirror/hex/tarballs"), { recursive: true });
    await writeFile(join(cwd, ".mirror/hex/tarballs/mine-0.1.0.tar"), mine.bytes);
    expect(await mirrorServer(["build"], { cwd })).toMatchObject({ code: 0 });
  });

  test("since it was adopted is never asked of upstream, nor mixed with what is there", async () => {
    const server = await start("--pull");
    expect(await versionsOf(server, "mine")).toEqual(["0.1.0"]);
    expect(await get(server, "/tarballs/mine-9.0.0.tar")).toMatchObject({ status: 404 });
    expect(await get(server, "/repo.hex.pm/packages/mine")).toMatchObject({ status: 404 });
    expect(await get(server, "/docs/mine-9.0.0.tar.gz")).toMatchObject({ status: 404 });
    const key = readPublicKey((await get(server, "/public_key")).body.toString(), "public_key");
    const { packages } = decodeVersions(verifyAndUnwrap((await get(server, "/versions")).body, key));
    expect(packages.map(({ name, versions }) => `${name} ${versions.join()}`)).toEqual(["alpha 1.0.0", "mine 0.1.0"]);
    expect(asked(/mine/)).toBe(0);
  });

  test("is not asked of upstream by sync either, until somebody says so", async () => {
    const sync = async (tarball: MadeTarball, ...more: string[]) => {
      await writeFile(join(cwd, "mix.lock"), mixLock([tarball]));
      return mirrorServer(["sync", ...flags.slice(0, 4), ...more], { cwd });
    };
    expect(await sync(mine)).toMatchObject({ code: 0 });
    const refused = await sync(theirs);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("sync --from-upstream mine")]);
    expect(asked(/mine/)).toBe(0);
    expect(await sync(theirs, "--from-upstream", "mine")).toMatchObject({ code: 0 });
    expect(await sync(theirs)).toMatchObject({ code: 0 });
  });

  test("since it is reserved is not asked of upstream before its first release", async () => {
    const server = await start("--pull", "--local", "al*,other");
    expect(await get(server, "/packages/alpha")).toMatchObject({ status: 404 });
    expect(asked(/alpha/)).toBe(0);
  });
});

describe("what is held without a lock", () => {
  const noise = randomBytes(60_000).toString("base64");
  const large = makeTarball({ name: "large", version: "1.0.0", files: { "noise.txt": noise } });
  const larger = makeTarball({ name: "larger", version: "1.0.0", files: { "noise.txt": noise + noise } });
  const held = async () => (await readdir(join(cwd, ".mirror/hex/tarballs"))).sort();
  const files = ["alpha-1.0.0.tar", "large-1.0.0.tar", "larger-1.0.0.tar"];

  beforeEach(async () => {
    hex.publish([alpha, large, larger]);
    await writeFile(join(cwd, "mix.lock"), mixLock([large]));
    expect(await mirrorServer(["sync", ...flags.slice(0, 4)], { cwd })).toMatchObject({ code: 0 });
  });

  test("goes where the mirror may not grow, what was used least lately first, and never what a lock names", async () => {
    const server = await start("--max-size", "150kB");
    await get(server, "/tarballs/larger-1.0.0.tar");
    // What is written counts as used.
    await expect.poll(held, eventually).toContain("larger-1.0.0.tar");
    await get(server, "/tarballs/alpha-1.0.0.tar");
    await expect.poll(held, { timeout: 25_000 }).toEqual(["alpha-1.0.0.tar", "large-1.0.0.tar"]);
    expect(await versionsOf(server, "large")).toEqual(["1.0.0"]);
    // It is had again when it is asked for again.
    expect(await get(server, "/tarballs/larger-1.0.0.tar")).toMatchObject({ status: 200, mark: "miss" });
  }, 60_000);

  test("goes by prune, or by prune --unused when nobody has asked for it lately", async () => {
    const server = await start();
    for (const file of files) expect(await get(server, `/tarballs/${file}`)).toMatchObject({ status: 200 });
    await server.stop();
    const prune = async (...more: string[]) => (await mirrorServer(["prune", ...more], { cwd })).stdout;
    expect(await prune("--unused", "1h")).toContain("removed 0,");
    expect(await held()).toEqual(files);
    expect(await prune("--unused", "0")).toMatch(/removed larger 1\.0\.0/);
    expect(await held()).toEqual(["large-1.0.0.tar"]);
    expect(await mirrorServer(["verify", "--deep"], { cwd })).toMatchObject({ code: 0 });
  });
});

test("a request of ours that comes back is refused, and explained", async () => {
  const server = await start();
  hex.intercept = (request, response) => {
    void fetch(`${server.url}${request.url}`, { headers: { via: request.headers.via ?? "" } }).then(async (answer) => {
      looped.push(`${answer.status} ${await answer.text()}`);
      response.writeHead(502).end();
    });
    return true;
  };
  const looped: string[] = [];
  expect((await get(server, "/packages/alpha")).status).toBe(502);
  expect(looped[0]).toMatch(/^508 this request is this mirror's own/);
});

describe("the mode", () => {
  test("is written into a new mirror, and told", async () => {
    const server = await start();
    expect(JSON.parse(await readFile(join(cwd, ".mirror/mirror.json"), "utf8"))).toMatchObject({ pull: true });
    await server.stop();
    const offline = await start("--offline");
    expect(await get(offline, "/packages/alpha")).toMatchObject({ status: 404 });
    expect(hex.log).toEqual([]);
  });

  test("of folders that are given one by one is offline, until somebody says otherwise", async () => {
    const folders = ["--hex-dir", join(cwd, "hex"), "--git-dir", join(cwd, "git")];
    const offline = await start(...folders);
    expect(await get(offline, "/packages/alpha")).toMatchObject({ status: 404 });
    await offline.stop();
    const pulling = await start(...folders, "--pull");
    expect(await versionsOf(pulling, "alpha")).toEqual(["1.0.0"]);
  });
});
