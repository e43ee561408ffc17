/**
 * Every kind of thing that a mirror holds, with every job, in process: what is missing is missed, what is damaged is found
 * and put aside, what nobody wants goes, and nothing else. One table: a kind that a job forgets has an empty cell.
 */
import { cp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { idOf, type Item } from "../../src/names/item.ts";
import { readMixLock } from "../../src/lock/mix-lock.ts";
import type { Lock } from "../../src/lock/entries.ts";
import type { Status } from "../../src/mirror/status.ts";
import { makeInstallerKey, publishInstallers, startFileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { openTestMirror, type TestMirror } from "../support/mirror.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const secret = makeTarball({ name: "secret", version: "0.3.0" });
const spare = makeTarball({ name: "spare", version: "1.0.0" });

interface Kind {
  readonly item: Item;
  /** What lies there of it, below the mirror. */
  readonly path: string;
  /** A file of it that is damaged by other bytes. */
  readonly file: string;
  /** What `prune` is told so that nobody wants it any more; undefined: to forget its lock. */
  readonly unwanted?: Readonly<Record<string, unknown>>;
  /** How many of it `status` tells of. */
  readonly count: (status: Status) => number | undefined;
}

const hexpm = "hexpm";
const acme = "hexpm:acme";
const repository = { kind: "git", host: "github.com", path: "owner/repo" } as const;
const inner = { kind: "git", host: "github.com", path: "owner/inner" } as const;

const kinds: Readonly<Record<string, Kind>> = {
  "a release": {
    item: { kind: "release", repository: hexpm, name: "alpha", version: "1.0.0" },
    path: "hex/tarballs/alpha-1.0.0.tar",
    file: "hex/tarballs/alpha-1.0.0.tar",
    count: ({ repositories: [main] }) => main?.releases,
  },
  "a release of an organisation": {
    item: { kind: "release", repository: acme, name: "secret", version: "0.3.0" },
    path: "hex/repos/acme/tarballs/secret-0.3.0.tar",
    file: "hex/repos/acme/tarballs/secret-0.3.0.tar",
    count: ({ repositories: [, other] }) => other?.releases,
  },
  documentation: {
    item: { kind: "documentation", repository: hexpm, name: "alpha", version: "1.0.0" },
    path: "hex/docs/alpha-1.0.0.tar.gz",
    file: "hex/docs/alpha-1.0.0.tar.gz",
    count: ({ repositories: [main] }) => main?.docs,
  },
  "a git repository": {
    item: repository,
    path: "git/github.com/owner/repo.git",
    file: "git/github.com/owner/repo.git/HEAD",
    count: ({ git: repositories }) => repositories.length,
  },
  "a submodule": {
    item: inner,
    path: "git/github.com/owner/inner.git",
    file: "git/github.com/owner/inner.git/HEAD",
    count: ({ git: repositories }) => repositories.length,
  },
  "an installer": {
    item: { kind: "installer", path: "1.14.0/hex-2.1.0.ez" },
    path: "hex/installs/1.14.0/hex-2.1.0.ez",
    file: "hex/installs/1.14.0/hex-2.1.0.ez",
    unwanted: { elixir: "1.13.0" },
    count: ({ installers }) => installers.files,
  },
  "a file": {
    item: { kind: "file", url: "" },
    path: "files/127.0.0.1/tool",
    file: "files/127.0.0.1/tool",
    unwanted: { config: "other.config.json" },
    count: ({ files }) => files.files,
  },
};

/** A mirror that holds one of each, and a release besides that stays wanted. */
interface Base {
  readonly locks: readonly Lock[];
  /** Opens a fresh copy of it. */
  readonly open: (
    more?: Readonly<Record<string, unknown>>,
  ) => Promise<TestMirror & { readonly at: (path: string) => string }>;
}

async function makeBase(): Promise<Base> {
  const root = await temporaryFolder();
  const hex = await startHexUpstream([alpha, spare]);
  hex.publish([secret], { organisation: { name: "acme", token: "t" } });
  hex.files.set("/docs/alpha-1.0.0.tar.gz", gzipSync("documentation"));
  const files = await startFileUpstream();
  files.files.set("/tool", Buffer.from("a tool"));
  const key = makeInstallerKey();
  const content = Buffer.from("hex");
  publishInstallers(files, "hex-1.x.csv", [{ path: "1.14.0/hex-2.1.0.ez", line: "2.1.0,SHA512,1.14.0", content }], key);
  await writeFile(join(root, "builds.pem"), key.publicKey);
  const head = await makeRepositories(join(root, "upstream"));
  const { url } = await startGitUpstream(join(root, "upstream"));
  const list = { files: [{ url: `${files.url}/tool` }] };
  await writeFile(join(root, "mirror.config.json"), JSON.stringify(list));
  await writeFile(join(root, "other.config.json"), JSON.stringify({ files: [{ url: `${files.url}/another` }] }));
  const flags = {
    config: join(root, "mirror.config.json"),
    hexUrl: hex.url,
    hexPublicKey: await hex.writePublicKey(join(root, "upstream.pem")),
    docs: true,
    installers: true,
    buildsUrl: files.url,
    buildsPublicKey: join(root, "builds.pem"),
  };
  const env = { ...redirectGit({ "https://github.com/": `${url}/` }), MIRROR_TOKEN_ACME: "t" };
  const entries = [
    lockEntry(secret, "", acme),
    `"repo": {:git, "https://github.com/owner/repo.git", "${head}", [submodules: true]}`,
  ];
  const lock = (name: string, text: string) => ({ name, entries: readMixLock(text, "mix.lock") });
  const locks = [lock("app", mixLock([alpha], entries)), lock("other", mixLock([spare]))];
  const open = (dir: string, more: Readonly<Record<string, unknown>> = {}) => {
    const folders = {
      mirror: join(root, dir, "mirror"),
      certsDir: join(root, dir, "certs"),
      cacheDir: join(root, dir, "cache"),
    };
    return {
      ...openTestMirror(root, { ...flags, ...folders, ...more }, env),
      at: (path: string) => join(root, dir, "mirror", path),
    };
  };
  const { mirror, said } = open("base");
  const { failed } = await mirror.sync(locks);
  await mirror.close();
  if (failed.length > 0) throw new Error(said());
  let copies = 0;
  return {
    locks,
    open: async (more) => {
      copies += 1;
      await cp(join(root, "base"), join(root, `copy-${copies}`), { recursive: true, preserveTimestamps: true });
      return open(`copy-${copies}`, more);
    },
  };
}

/** @returns a commit of the outer one, which has the inner one as a submodule */
async function makeRepositories(root: string): Promise<string> {
  const revision = await makeRepository(join(root, "owner/inner.git"));
  const outer = join(root, "owner/repo.git");
  await makeRepository(outer);
  await writeFile(join(outer, ".gitmodules"), '[submodule "x"]\n\tpath = x\n\turl = ../inner.git\n');
  await git(outer, ["update-index", "--add", "--cacheinfo", `160000,${revision},x`]);
  await git(outer, ["add", ".gitmodules"]);
  await git(outer, ["commit", "-q", "-m", "submodule"]);
  return git(outer, ["rev-parse", "HEAD"]);
}

/** Of a commit, its repository; of a file, without the port that it has here. */
const plain = (item: Item): string => {
  if (item.kind === "git") return idOf({ kind: "git", host: item.host, path: item.path });
  return idOf(item.kind === "file" ? { kind: "file", url: "" } : item);
};
const ids = (found: readonly { readonly item: Item }[]) => found.map(({ item }) => plain(item));
const isThere = async (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

type Cell = (kind: Kind, base: Base) => Promise<void>;

const cells: Readonly<Record<string, Cell>> = {
  "--dry-run would fetch it where it is gone, and only then": async ({ item, path }, { open, locks }) => {
    const { mirror, at } = await open();
    const before = await mirror.previewSync(locks);
    expect(before.fetch).toEqual([]);
    expect(before.refresh.map(plain)).toContain(plain(item));
    await rm(at(path), { recursive: true });
    expect((await mirror.previewSync(locks)).fetch.map(plain)).toEqual([plain(item)]);
    await mirror.close();
  },
  "--if-changed misses it": async ({ path }, { open, locks }) => {
    const { mirror, at } = await open();
    expect(await mirror.isUpToDate(locks)).toBe(true);
    await rm(at(path), { recursive: true });
    expect(await mirror.isUpToDate(locks)).toBe(false);
    await mirror.close();
  },
  "verify finds it missing": async ({ item, path }, { open, locks }) => {
    const { mirror, at } = await open();
    expect(await mirror.verify(locks, { deep: false, dryRun: false })).toMatchObject({
      ok: true,
      missing: [],
      damaged: [],
    });
    await rm(at(path), { recursive: true });
    const { ok, missing, damaged } = await mirror.verify(locks, { deep: false, dryRun: false });
    expect([ok, ids(missing), ids(damaged)]).toEqual([false, [plain(item)], []]);
    await mirror.close();
  },
  "verify finds it damaged": async ({ item, file }, { open, locks }) => {
    const { mirror, at } = await open();
    await writeFile(at(file), "damaged");
    const { ok, missing, damaged } = await mirror.verify(locks, { deep: false, dryRun: false });
    expect([ok, ids(missing), ids(damaged)]).toEqual([false, [], [plain(item)]]);
    await mirror.close();
  },
  "verify --deep puts it aside, wanted or not, and a sync brings it back": async (
    { item, path, file },
    { open, locks },
  ) => {
    const { mirror, at } = await open();
    await writeFile(at(file), "damaged");
    const { quarantined = [] } = await mirror.verify([], { deep: true, dryRun: false });
    expect(ids(quarantined)).toEqual([plain(item)]);
    expect(await isThere(at(path))).toBe(false);
    expect((await mirror.sync(locks)).failed).toEqual([]);
    expect(await mirror.verify(locks, { deep: true, dryRun: false })).toMatchObject({ ok: true, quarantined: [] });
    await mirror.close();
  },
  "prune removes it when nobody wants it, and not before": async ({ item, path, unwanted }, { open, locks }) => {
    const { mirror, at } = await open(unwanted);
    const all = await open();
    const whole = { keepLocks: undefined, dryRun: false };
    expect(await all.mirror.prune(whole)).toMatchObject({ removed: [], spared: [] });
    await all.mirror.close();
    const { removed } = await mirror.prune(unwanted === undefined ? { ...whole, keepLocks: ["other"] } : whole);
    expect(ids(removed)).toContain(plain(item));
    expect(await isThere(at(path))).toBe(false);
    const rest = unwanted === undefined ? locks.slice(1) : locks;
    const { missing, damaged, quarantined } = await mirror.verify(rest, { deep: true, dryRun: false });
    expect([missing.filter((each) => each.item.kind !== "file"), damaged, quarantined]).toEqual([[], [], []]);
    await mirror.close();
  },
  "status counts it": async ({ path, count }, { open }) => {
    const { mirror, at } = await open();
    const before = count(await mirror.status());
    await rm(at(path), { recursive: true });
    expect((before ?? 0) - (count(await mirror.status()) ?? 0)).toBe(1);
    await mirror.close();
  },
};

test.each(Object.entries(cells))("%s", async (job, cell) => {
  expect.hasAssertions();
  const base = await makeBase();
  for (const [name, kind] of Object.entries(kinds)) {
    await cell(kind, base).catch((error: unknown) => {
      throw new Error(`${name}: ${job}`, { cause: error });
    });
  }
});
