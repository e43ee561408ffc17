import { execFileSync } from "node:child_process";
import { lstat, mkdir, readFile, readdir, readlink, rename, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { readIfPresent } from "../../src/disk/files.ts";
import { ownTag, stateOf } from "../../src/disk/owner.ts";
import { Place } from "../../src/disk/place.ts";
import { temporaryName } from "../../src/disk/temporary.ts";
import { foreignBelow, listFiles, sizeOf } from "../../src/disk/walk.ts";
import { placeAt, snapshot, temporaryFolder } from "../support/folder.ts";

let dir: string;
let place: Place;

beforeEach(async () => {
  dir = await temporaryFolder();
  place = placeAt(join(dir, "root"));
});

describe("a file", () => {
  test("appears with its folder and its mode, and leaves nothing beside it", async () => {
    await place.at("a/b/file").write("content", 0o600);
    expect(await readFile(join(dir, "root/a/b/file"), "utf8")).toBe("content");
    expect((await lstat(join(dir, "root/a/b/file"))).mode & 0o777).toBe(0o600);
    expect(await readdir(join(dir, "root/a/b"))).toEqual(["file"]);
  });

  test("with the right content is not touched", async () => {
    expect(await place.at("file").writeIfChanged("content")).toBe(true);
    const before = await snapshot(dir);
    expect(await place.at("file").writeIfChanged("content")).toBe(false);
    expect(await snapshot(dir)).toEqual(before);
  });

  test("that cannot be replaced stays, and nothing is left beside it", async () => {
    await mkdir(join(dir, "root/target/inside"), { recursive: true });
    await expect(place.at("target").write("x")).rejects.toMatchObject({ code: "storage" });
    expect(await readdir(join(dir, "root"))).toEqual(["target"]);
  });

  test("that is not there differs from one that cannot be read", async () => {
    expect(await place.at("none").read()).toBeUndefined();
    await mkdir(join(dir, "root/folder"), { recursive: true });
    await expect(place.at("folder").read()).rejects.toMatchObject({ code: "storage" });
    expect(await readIfPresent(join(dir, "none"))).toBeUndefined();
  });
});

test("what a killed writer left is removed, and what a living one is writing stays", async () => {
  const mine = temporaryName("names");
  const [boot, namespace] = (ownTag() ?? "").split("-");
  const dead = `.names.tmp-${boot}-${namespace}-${(2 ** 22 + 1).toString(36)}-1-0123456789ab`;
  const elsewhere = ".names.tmp-00000000-1-1-1-0123456789ab";
  const forgotten = ".versions.tmp-00000000-1-1-1-0123456789ab";
  for (const name of [mine, dead, elsewhere, forgotten, ".hidden", "names"]) await place.at(name).write("x");
  const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
  await utimes(join(dir, "root", forgotten), longAgo, longAgo);
  await place.removeLeftovers();
  expect((await readdir(join(dir, "root"))).sort()).toEqual([".hidden", mine, elsewhere, "names"].sort());
});

test("this process knows itself as alive, and nobody else's as dead who may be elsewhere", () => {
  expect(stateOf(ownTag() ?? "")).toBe("alive");
  expect(stateOf("00000000-1-1-1")).toBe("unknown");
  expect(stateOf("")).toBe("unknown");
  const [boot, namespace, pid] = (ownTag() ?? "").split("-");
  // The pid is in use, by another process than the one that is meant.
  expect(stateOf(`${boot}-${namespace}-${pid}-1`)).toBe("dead");
});

test("a folder that cannot be made is an error, below /proc too, where Node's own way never ends", () => {
  expect(() => placeAt("/proc/none/cache").at("a").makeFolder()).toThrow(
    /cannot make the folder \/proc\/none\/cache\/a/,
  );
});

test.each(["..", ".", "", "a/../b", "a//b", "a/", "/a", "a\0b"])("%j is no path below a place", (path) => {
  expect(() => place.at(path)).toThrow(/is no path below a folder/);
});

describe.each([
  ["a file", "victim/file"],
  ["a folder", "victim"],
  ["nothing", "nowhere"],
  ["its own parent", "root"],
  ["everything", "/"],
])("a link to %s", (_what, to) => {
  let before: Record<string, string>;

  beforeEach(async () => {
    await mkdir(join(dir, "victim/folder"), { recursive: true });
    await mkdir(join(dir, "root/inside"), { recursive: true });
    for (const name of ["file", "folder/names", ".x.tmp-0123456789ab"]) {
      await writeFile(join(dir, "victim", name), "precious");
    }
    const target = to === "/" ? "/" : join(dir, to);
    await symlink(target, join(dir, "root/link"));
    await symlink(target, join(dir, "root/inside/link"));
    before = await snapshot(join(dir, "victim"));
  });

  test("is refused by its name, whatever is to be done", async () => {
    const link = /root\/link is a link, and none is followed here/;
    for (const below of ["link", "link/file", "link/folder/names"]) {
      const at = place.at(below);
      expect(() => at.look()).toThrow(link);
      expect(() => at.verifiedPath()).toThrow(link);
      expect(() => at.realPath()).toThrow(link);
      expect(at.isFile() || at.isFolder()).toBe(false);
      for (const work of [
        () => at.read(),
        () => at.write("x"),
        () => at.writeIfChanged("x"),
        () => at.allEntries(),
        () => at.removeLeftovers(),
        () => at.setMode(0o777),
        () => at.openForWriting(),
        () => at.touch(),
        () => sizeOf(at),
      ]) {
        await expect(work()).rejects.toThrow(link);
      }
    }
    expect(() => place.at("link/new").makeFolder()).toThrow(link);
    await expect(place.at("link/file").remove()).rejects.toThrow(link);
    await expect(place.at("inside").moveTo(place.at("link/inside"))).rejects.toThrow(link);
    await expect(place.at("link/folder").moveTo(place.at("new"))).rejects.toThrow(link);
    expect(await snapshot(join(dir, "victim"))).toEqual(before);
  });

  test("is not walked through, and goes without what it leads to", async () => {
    await place.at("mine").write("x");
    expect(await place.list("folder")).toEqual(["inside"]);
    expect(await listFiles(place)).toEqual(["mine"]);
    expect(await sizeOf(place)).toBe(1);
    const why = "is a link";
    expect(await foreignBelow(place, () => false)).toEqual([
      { path: join(dir, "root/inside/link"), why },
      { path: join(dir, "root/link"), why },
    ]);
    await place.at("inside").remove();
    await place.at("link").remove();
    expect(await readdir(join(dir, "root"))).toEqual(["mine"]);
    expect(await snapshot(join(dir, "victim"))).toEqual(before);
  });

  test("is moved as a link", async () => {
    await place.at("link").moveTo(place.at("aside/link"));
    expect(await readlink(join(dir, "root/aside/link"))).toBe(to === "/" ? "/" : join(dir, to));
  });
});

describe("a root that is a link", () => {
  const rootAt = (name: string) =>
    Place.root({ dir: join(dir, name), option: "--mirror", noun: "a mirror", isOne: (path) => path.endsWith("good") });

  beforeEach(async () => {
    await mkdir(join(dir, "good"));
    await mkdir(join(dir, "bad"));
  });

  test("is followed to what it is for, and looked at anew each time", async () => {
    await symlink("good", join(dir, "link"));
    await rootAt("link").at("file").write("x");
    expect(await readdir(join(dir, "good"))).toEqual(["file"]);
    await symlink("bad", join(dir, "other"));
    await rename(join(dir, "other"), join(dir, "link"));
    const refused = /link is a link to .*bad, which is not a mirror yet.* with --mirror/;
    await expect(rootAt("link").at("file").write("x")).rejects.toThrow(refused);
    expect(await readdir(join(dir, "bad"))).toEqual([]);
  });

  test("to nowhere is refused, and makes nothing", async () => {
    await symlink("nowhere", join(dir, "link"));
    await expect(rootAt("link").at("file").write("x")).rejects.toThrow(/is a link that leads nowhere/);
    expect(await readdir(dir)).not.toContain("nowhere");
  });
});

test("a key is read through a link, and nothing that never ends", async () => {
  await writeFile(join(dir, "key.pem"), "a key");
  await symlink("key.pem", join(dir, "link.pem"));
  expect((await readIfPresent(join(dir, "link.pem")))?.toString()).toBe("a key");
  execFileSync("mkfifo", [join(dir, "pipe")]);
  await symlink("/dev/zero", join(dir, "zeroes"));
  for (const name of ["pipe", "zeroes"]) {
    await expect(readIfPresent(join(dir, name))).rejects.toMatchObject({
      code: "storage",
      cause: new Error("it is no regular file"),
    });
  }
});

test("a pipe below a root is neither read nor written nor waited for", async () => {
  await mkdir(join(dir, "root"));
  execFileSync("mkfifo", [join(dir, "root/pipe")]);
  const refused = /root\/pipe is neither a file nor a folder, and is not touched/;
  await expect(place.at("pipe").read()).rejects.toThrow(refused);
  await expect(place.at("pipe").write("x")).rejects.toThrow(refused);
  await expect(placeAt(join(dir, "root/pipe")).at("x").write("x")).rejects.toThrow(refused);
  expect(await foreignBelow(place, () => false)).toEqual([
    { path: join(dir, "root/pipe"), why: "is neither a file nor a folder" },
  ]);
});

test("who looks at many in one folder sees what is made meanwhile, and follows no link either", async () => {
  const look = place.at("folder").lookInside();
  expect(look("file")).toBeUndefined();
  await place.at("folder/file").write("content");
  expect(look("file")?.size).toBe(7);
  await symlink("file", join(dir, "root/folder/link"));
  expect(() => look("link")).toThrow(/folder\/link is a link/);
});
