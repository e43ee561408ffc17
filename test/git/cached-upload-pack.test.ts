/** The answer cache over real git: never stale, one run for all, bounded, nothing left by a crash. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { GrowingFile } from "../../src/disk/growing-file.ts";
import { AnswerStore } from "../../src/git/answer-store.ts";
import { cacheUploadPack } from "../../src/git/cached-upload-pack.ts";
import { createGitEnvironments, type GitEnvironments } from "../../src/git/environment.ts";
import { packet } from "../../src/git/pkt-line.ts";
import { repositoryState } from "../../src/git/repository-state.ts";
import {
  createUploadPack,
  type GitAnswer,
  type GitUploadPack,
  type UploadPack,
  type UploadPackSettings,
} from "../../src/git/upload-pack.ts";
import { ofBytes, type RequestBody } from "../../src/git/request-body.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";
import { commit, git, makeRepository } from "../support/git.ts";
import { waitUntil } from "../support/processes.ts";

const gitVersion = /(\d+)\.(\d+)/.exec(execFileSync("git", ["--version"], { encoding: "utf8" })) ?? [];
const hasReftable = Number(gitVersion[1]) * 1000 + Number(gitVersion[2]) >= 2045;

let root: string;
let dir: string;
let head: string;
let cacheDir: string;
let runs: number;
let problems: unknown[];
let cached: UploadPack;
let inner: GitUploadPack;
let settings: UploadPackSettings;
let environments: GitEnvironments;

beforeEach(async () => {
  root = await temporaryFolder();
  dir = join(root, "repo.git");
  cacheDir = join(root, "cache");
  const noise = createHash("shake256", { outputLength: 3 * 1024 * 1024 })
    .update("noise")
    .digest();
  head = await makeRepository(join(root, "work"), { "noise.bin": noise.toString("base64") });
  await git(root, ["clone", "-q", "--bare", "work", "repo.git"]);
  environments = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => environments.remove());
  runs = 0;
  problems = [];
  const ignore = () => undefined;
  const limits = { maxProcesses: 4, maxWaiting: 100, idleSeconds: 30, totalSeconds: 60 };
  const onWanted = () => (runs += 1);
  settings = { environments, ...limits, onFailure: ignore, onMistake: ignore, onWanted, onRun: ignore };
  inner = createUploadPack(settings);
  cached = await withCache(8 * 1024 * 1024);
});

const withCache = async (size: number) =>
  cacheUploadPack(inner, await openStore(size), spool, (error) => problems.push(error));
const spool = async (onUnread: () => void) => GrowingFile.create(environments.scratchPlace().path, onUnread);
const openStore = async (size: number) => AnswerStore.open(placeAt(cacheDir), size);
const all = ({ output }: GitAnswer) => (Buffer.isBuffer(output) ? Promise.resolve(output) : buffer(output));
const signal = () => new AbortController().signal;
const wanted = (id: string, agent = "git/test") =>
  `${packet("command=fetch")}${packet(`agent=${agent}`)}0001${packet("no-progress")}${packet(`want ${id}\n`)}${packet("done\n")}0000`;
const ask = (upload: UploadPack, request: string) =>
  upload.answer({ ...common(), protocol: "version=2", signal: signal(), body: ofBytes(Buffer.from(request)) });
const refs = (upload: UploadPack) => upload.advertise({ ...common(), protocol: undefined, signal: signal() }).then(all);
const common = () => ({ place: placeAt(dir), clients: new Set(["::1"]) });
const streamed = (stream: Readable): RequestBody => ({
  bytes: undefined,
  read: () => stream,
  discard: () => undefined,
});
const stored = async () => (await readdir(cacheDir)).filter((name) => !name.startsWith("."));

/** The content of the first side band: the pack. */
function packOf(answer: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < answer.length;) {
    const length = Number.parseInt(answer.toString("latin1", at, at + 4), 16);
    if (length > 4 && answer[at + 4] === 1) parts.push(answer.subarray(at + 5, at + length));
    at += Math.max(4, length);
  }
  return Buffer.concat(parts);
}

describe("packs", () => {
  test("are made once, and are the same bytes that git gave, whoever asks", async () => {
    const first = await all(await ask(cached, wanted(head)));
    await waitUntil(async () => (await stored()).length === 1, "the answer to be kept");
    const again = await ask(cached, wanted(head, "git/other"));
    expect(again.size).toBe(first.length);
    expect((await all(again)).equals(first)).toBe(true);
    expect(runs).toBe(1);
    expect(first.length).toBeGreaterThan(3 * 1024 * 1024);
  });

  test("asked for by many at once are made once for all of them", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => all(await ask(cached, wanted(head)))));
    expect(runs).toBe(1);
    expect(new Set(answers.map((bytes) => createHash("sha256").update(bytes).digest("hex"))).size).toBe(1);
  });

  test("outlive the server", async () => {
    await all(await ask(cached, wanted(head)));
    await waitUntil(async () => (await stored()).length === 1, "the answer to be kept");
    await all(await ask(await withCache(8 * 1024 * 1024), wanted(head)));
    expect(runs).toBe(1);
  });

  test("that nobody waits for any more are not made to the end, and leave nothing", async () => {
    const answer = await ask(cached, wanted(head));
    (answer.output as Readable).destroy();
    await waitUntil(async () => (await readdir(cacheDir)).length === 0 && inner.load().running === 0, "git to end");
    expect((await all(await ask(cached, wanted(head)))).length).toBeGreaterThan(3 * 1024 * 1024);
  });

  test("one reader that goes away takes nothing from the others", async () => {
    const [leaving, staying] = await Promise.all([ask(cached, wanted(head)), ask(cached, wanted(head))]);
    (leaving.output as Readable).destroy();
    const alone = await all(
      await ask(
        cacheUploadPack(inner, undefined, spool, () => undefined),
        wanted(head),
      ),
    );
    // How output falls into frames is a matter of chance; the pack in them is not.
    expect(packOf(await all(staying)).equals(packOf(alone))).toBe(true);
  });

  test("that clients asked for who have gone before git began are not made at all", async () => {
    const waiting = createUploadPack({ ...settings, maxProcesses: 1 });
    const upload = cacheUploadPack(waiting, await openStore(1e9), spool, () => undefined);
    const blocker = new PassThrough();
    const blocked = waiting.answer({ ...common(), protocol: "version=2", signal: signal(), body: streamed(blocker) });
    const gone = new AbortController();
    const body = ofBytes(Buffer.from(wanted(head)));
    const left = upload.answer({ ...common(), protocol: "version=2", signal: gone.signal, body });
    await waitUntil(() => waiting.load().waiting === 1, "the request to queue");
    gone.abort();
    await expect(left).rejects.toMatchObject({ code: "cancelled" });
    blocker.end("0014command=ls-refs\n00010000");
    await all(await blocked);
    await waitUntil(
      async () => waiting.load().running === 0 && (await readdir(cacheDir)).length === 0,
      "nothing to run",
    );
  });

  test("are served when the cache folder was deleted, and when it cannot be made again", async () => {
    await rm(cacheDir, { recursive: true });
    expect((await all(await ask(cached, wanted(head)))).length).toBeGreaterThan(3 * 1024 * 1024);
    await waitUntil(async () => (await stored()).length === 1, "the answer to be kept");
    await rm(cacheDir, { recursive: true });
    await writeFile(cacheDir, "a file stands where the folder was");
    for (let n = 0; n < 6; n++) {
      expect((await all(await ask(cached, wanted(head)))).length).toBeGreaterThan(3 * 1024 * 1024);
    }
    expect(problems).toHaveLength(1);
    expect(inner.load()).toEqual({ running: 0, waiting: 0 });
  });

  test.skipIf(process.platform !== "linux")(
    "are served when no file takes them: neither the cache's nor another",
    async () => {
      const store = await openStore(8 * 1024 * 1024);
      // Git is told that there is no space left, as of a full disk.
      const full = openSync("/dev/full", "w");
      onTestFinished(() => closeSync(full));
      const refusing = async (onUnread: () => void) =>
        Object.defineProperty(await spool(onUnread), "descriptor", { value: full });
      store.create = refusing;
      const upload = cacheUploadPack(inner, store, refusing, (error) => problems.push(error));
      for (let n = 0; n < 2; n++) {
        expect((await all(await ask(upload, wanted(head)))).length).toBeGreaterThan(3 * 1024 * 1024);
      }
      // The cache is left alone for a while after the first, the other is tried for each.
      expect(problems.map(String)).toEqual(
        Array(3).fill(expect.stringContaining("git cannot write its answer to a file")),
      );
      expect(await stored()).toEqual([]);
      expect(inner.load()).toEqual({ running: 0, waiting: 0 });
    },
  );

  test("errors of git reach the client and are not kept", async () => {
    const answer = await all(await ask(cached, wanted("2".repeat(40))));
    expect(answer.toString()).toContain("ERR upload-pack: not our ref");
    expect(await stored()).toEqual([]);
  });

  test("are kept up to the limit, least recently used out first; too large ones not at all", async () => {
    const small = await withCache(9 * 1024 * 1024);
    const second = await commit(join(root, "work"), { "other.txt": "x" }, "second");
    await git(join(root, "work"), ["push", "-q", dir, "main"]);
    const requests = [wanted(head), wanted(second), `${wanted(second).slice(0, -8)}${packet("thin-pack")}0000`];
    await all(await ask(small, requests[0] ?? ""));
    await waitUntil(async () => (await stored()).length === 1, "one answer");
    const [oldest] = await stored();
    await all(await ask(small, requests[1] ?? ""));
    await waitUntil(async () => (await stored()).length === 2, "two answers");
    await all(
      await ask(small, wanted(second).replace(packet("no-progress"), packet("no-progress") + packet("ofs-delta"))),
    );
    await waitUntil(async () => !(await stored()).includes(oldest ?? ""), "the oldest to go");
    const tiny = await withCache(4 * 1024 * 1024);
    runs = 0;
    await all(
      await ask(tiny, wanted(head).replace(packet("no-progress"), packet("no-progress") + packet("include-tag"))),
    );
    expect(runs).toBe(1);
  });

  test("what a crash left is no answer, and is removed when nobody can be writing it", async () => {
    await mkdir(cacheDir, { recursive: true });
    const [old, young] = [".answer.tmp-0123456789ab", ".answer.tmp-ba9876543210"];
    await writeFile(join(cacheDir, old), "half");
    await writeFile(join(cacheDir, young), "half");
    await writeFile(join(cacheDir, "notes.txt"), "somebody's own");
    const longAgo = new Date(Date.now() - 2 * 60 * 60 * 1000);
    await utimes(join(cacheDir, old), longAgo, longAgo);
    await withCache(1024);
    expect((await readdir(cacheDir)).sort()).toEqual([young, "notes.txt"]);
  });

  test("long requests, which no other client repeats, are passed on as they are", async () => {
    const haves = Array.from({ length: 8000 }, (_, n) => packet(`have ${String(n).padStart(40, "0")}\n`)).join("");
    const request = wanted(head).replace(packet("done\n"), `${haves}${packet("done\n")}`);
    const chunks = [Buffer.from(request.slice(0, 200_000)), Buffer.from(request.slice(200_000))];
    const body = streamed(Readable.from(chunks));
    const answer = await cached.answer({ ...common(), protocol: "version=2", signal: signal(), body });
    expect((await all(answer)).length).toBeGreaterThan(3 * 1024 * 1024);
    expect(await stored()).toEqual([]);
  });
});

describe("refs", () => {
  test("come from memory until they change", async () => {
    const first = await refs(cached);
    expect(await refs(cached)).toEqual(first);
    expect(runs).toBe(1);
  });

  test("asked for by many at once are read once", async () => {
    await Promise.all(Array.from({ length: 20 }, () => refs(cached)));
    expect(runs).toBe(1);
  });

  test.each([
    ["a new branch", ["branch", "new"]],
    ["a packed branch", ["pack-refs", "--all"]],
    ["a deleted branch", ["branch", "-D", "-q", "main"]],
    ["another HEAD", ["symbolic-ref", "HEAD", "refs/heads/other"]],
    ["another configuration", ["config", "uploadpack.hideRefs", "refs/heads/main"]],
  ])("are never stale after %s", async (_, args) => {
    rememberFolders();
    await refs(cached);
    const before = repositoryState(placeAt(dir));
    await git(dir, args);
    expect(repositoryState(placeAt(dir))).not.toBe(before);
    expect(await refs(cached)).toEqual(await refs(inner));
  });

  test("are never stale in many changes, asked for right after each", async () => {
    for (let n = 0; n < 30; n++) {
      await git(dir, ["update-ref", `refs/heads/b${n % 7}`, head]);
      expect(await refs(cached)).toEqual(await refs(inner));
      await git(dir, ["update-ref", "-d", `refs/heads/b${n % 7}`]);
      expect(await refs(cached)).toEqual(await refs(inner));
    }
  });
});

describe.skipIf(!hasReftable)("a reftable repository (skipped where git is older than 2.45)", () => {
  test("is served, and its refs are never stale", async () => {
    await rm(dir, { recursive: true });
    await git(root, ["clone", "-q", "--bare", "--ref-format=reftable", "work", "repo.git"]);
    for (const args of [
      ["branch", "new"],
      ["pack-refs", "--all"],
      ["branch", "-D", "-q", "new"],
    ]) {
      rememberFolders();
      await refs(cached);
      await git(dir, args);
      expect(await refs(cached)).toEqual(await refs(inner));
    }
    expect(String(await refs(cached))).toContain(`${head} refs/heads/main`);
    expect((await all(await ask(cached, wanted(head)))).length).toBeGreaterThan(3 * 1024 * 1024);
  });
});

test.each([
  ["another commit, written in place", "refs/heads/main", "1".repeat(40)],
  ["a branch in a new folder", "refs/heads/new/branch", "1".repeat(40)],
  ["a folder beside the known ones", "refs/pull/1/head", "1".repeat(40)],
])("repositoryState remembers folders, and tells %s", async (_, ref, commit) => {
  const before = repositoryState(placeAt(dir));
  rememberFolders();
  expect(repositoryState(placeAt(dir))).toBe(before);
  await mkdir(dirname(join(dir, ref)), { recursive: true });
  await writeFile(join(dir, ref), commit);
  const after = repositoryState(placeAt(dir));
  expect(after).not.toBe(before);
  await rm(join(dir, ref));
  expect(repositoryState(placeAt(dir))).not.toBe(after);
});

test("repositoryState ignores placeholders and knows when there is no repository", async () => {
  const before = repositoryState(placeAt(dir));
  await writeFile(join(dir, "refs/.gitkeep"), "");
  expect(repositoryState(placeAt(dir))).toBe(before);
  expect(repositoryState(placeAt(root))).toBeUndefined();
  expect(await readFile(join(dir, "HEAD"), "utf8")).toContain("main");
});

/** What folders hold is remembered once their times have been the same for a while. */
function rememberFolders(): void {
  repositoryState(placeAt(dir));
  const later = performance.now() + 10_000;
  const clock = vi.spyOn(performance, "now").mockReturnValue(later);
  repositoryState(placeAt(dir));
  clock.mockRestore();
}
