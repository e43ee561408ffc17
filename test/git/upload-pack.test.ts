/** The bounds around git upload-pack: how many, how long, and what is left when something goes wrong. */
import { chmod, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createGitEnvironments, type GitEnvironments } from "../../src/git/environment.ts";
import { packet } from "../../src/git/pkt-line.ts";
import {
  createUploadPack,
  protocolVersion,
  type UploadPack,
  type UploadPackSettings,
} from "../../src/git/upload-pack.ts";
import { ofBytes, type RequestBody } from "../../src/git/request-body.ts";
import { placeAt, temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { descendants, waitUntil } from "../support/processes.ts";

let dir: string;
let failures: string[];
let mistakes: string[];
let environments: GitEnvironments;
let make: (settings?: Partial<UploadPackSettings>) => UploadPack;

beforeEach(async () => {
  const root = await temporaryFolder();
  await makeRepository(join(root, "work"));
  await git(root, ["clone", "-q", "--bare", "work", "repo.git"]);
  dir = join(root, "repo.git");
  failures = [];
  mistakes = [];
  environments = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => environments.remove());
  make = (settings) =>
    createUploadPack({
      environments,
      maxProcesses: 2,
      maxWaiting: 8,
      idleSeconds: 30,
      totalSeconds: 60,
      onFailure: (_, stderr) => failures.push(stderr),
      onMistake: (_, words) => mistakes.push(words),
      onWanted: () => undefined,
      onRun: () => undefined,
      ...settings,
    });
});

const lsRefs = `${packet("command=ls-refs")}00010000`;
const ask = (upload: UploadPack, body: RequestBody, signal = new AbortController().signal, client = "::1") =>
  upload.answer({ place: placeAt(dir), protocol: "version=2", clients: new Set([client]), signal, body });
const text = (request: string) => ofBytes(Buffer.from(request));
/** A body that comes to its end when the test wants it to: git runs until then. */
const open = (stream: PassThrough): RequestBody => ({ bytes: undefined, read: () => stream, discard: () => undefined });

test("no more processes than the limit; the rest wait; more than may wait are told to come back", async () => {
  const upload = make({ maxProcesses: 1, maxWaiting: 2 });
  const bodies = [new PassThrough(), new PassThrough(), new PassThrough()];
  const answers = bodies.map((body) => ask(upload, open(body)));
  await waitUntil(() => upload.load().running === 1 && upload.load().waiting === 2, "the queue to fill");
  expect(descendants(process.pid).length).toBeLessThanOrEqual(2);
  await expect(ask(upload, text(lsRefs))).rejects.toMatchObject({ code: "busy" });
  for (const body of bodies) body.end(lsRefs);
  const texts = await Promise.all(
    answers.map(async (answer) => (await buffer((await answer).output as Readable)).toString()),
  );
  expect(texts.every((text) => text.includes("refs/heads/main"))).toBe(true);
});

test("a request that never comes to its end is ended, and says so in the log", async () => {
  const upload = make({ idleSeconds: 0.3 });
  await expect(ask(upload, open(new PassThrough()))).rejects.toMatchObject({ code: "git" });
  expect(failures).toEqual(["ended, since nothing moved for 0.3 s"]);
  expect(upload.load()).toEqual({ running: 0, waiting: 0 });
});

test("a client that went away while it waited costs no process", async () => {
  const upload = make({ maxProcesses: 1 });
  const first = new PassThrough();
  const running = ask(upload, open(first));
  const gone = new AbortController();
  const waiting = ask(upload, open(new PassThrough()), gone.signal).catch((error: unknown) => error);
  gone.abort();
  first.end(lsRefs);
  await buffer((await running).output as Readable);
  expect(await waiting).toMatchObject({ code: "cancelled" });
});

test("whether git ended well is known at the end", async () => {
  const upload = make();
  const good = await ask(upload, text(lsRefs));
  await buffer(good.output as Readable);
  expect(await good.succeeded).toBe(true);
  const want = `${packet("command=fetch")}0001${packet(`want ${"2".repeat(40)}\n`)}${packet("done\n")}0000`;
  const bad = await ask(upload, text(want));
  expect((await buffer(bad.output as Readable)).toString()).toContain("not our ref");
  expect(await bad.succeeded).toBe(false);
});

test.each([
  ["garbage", "garbage", "version=2"],
  ["a bad length", "ffff", "version=2"],
  ["an unknown command", `${packet("command=nothing")}0000`, "version=2"],
  ["nothing", "", undefined],
])("%s is the client's fault, and not for the log", async (_what, body, protocol) => {
  const { signal } = new AbortController();
  const answer = make().answer({ place: placeAt(dir), protocol, clients: new Set(["::1"]), signal, body: text(body) });
  await expect(answer).rejects.toMatchObject({ code: "malformed" });
  expect(failures).toEqual([]);
});

test.each([
  ["a shallow limit that is no ref", "deepen-not refs/heads/nope", "ambiguous deepen-not: deepen-not refs/heads/nope"],
  ["a filter that is none", "filter blah:1", "invalid filter-spec 'blah:1'"],
  ["a filter without its depth", "filter tree:x", "expected 'tree:<depth>'"],
  ["a depth that is none", "deepen -3", "Invalid deepen: deepen -3"],
  ["a shallow line that is none", "shallow zzz", "invalid shallow line: shallow zzz"],
])("%s is told to the client in git's own words, and blames nobody", async (_what, line, words) => {
  const head = await git(dir, ["rev-parse", "HEAD"]);
  const request = `${packet("command=fetch")}0001${packet(`want ${head}\n`)}${packet(`${line}\n`)}${packet("done\n")}0000`;
  const answer = await ask(make(), text(request));
  expect((await buffer(answer.output as Readable)).toString()).toBe(packet(`ERR ${words}\n`));
  expect(await answer.succeeded).toBe(false);
  expect([mistakes, failures]).toEqual([[words], []]);
});

test("a git that dies by a signal is logged as that, with what it said", async () => {
  const bin = await temporaryFolder();
  await writeFile(join(bin, "git"), '#!/bin/sh\necho "fatal: out of memory" >&2\nkill -9 $$\n');
  await chmod(join(bin, "git"), 0o755);
  const ownIn = (at: string) => {
    const { env, cwd } = environments.ownIn(at);
    return { env: { ...env, PATH: bin }, cwd };
  };
  const upload = make({ environments: { ...environments, ownIn } });
  await expect(ask(upload, text(lsRefs))).rejects.toMatchObject({ code: "git" });
  expect(failures).toEqual(["git was ended by SIGKILL: fatal: out of memory"]);
});

test("what takes too long in all is ended, however much moves", async () => {
  const upload = make({ totalSeconds: 0.5 });
  const body = new PassThrough();
  body.write(`${packet("command=fetch")}0001${packet(`want ${await git(dir, ["rev-parse", "HEAD"])}\n`)}`);
  const trickle = setInterval(() => body.write(packet(`have ${"3".repeat(40)}\n`)), 50);
  await expect(ask(upload, open(body))).rejects.toMatchObject({ code: "git" });
  clearInterval(trickle);
  expect(failures).toEqual(["ended, since it took more than 0.5 s"]);
});

test.each([
  ["a command", "core.sshCommand", "x", "its config says core.sshCommand, which git would act upon"],
  ["a switch", "http.uploadpack", "false", "its config says http.uploadpack = false"],
])(
  "a repository whose configuration has %s is not served, and log and client are told why",
  async (_, key, to, why) => {
    await git(dir, ["config", key, to]);
    const message = `the mirror does not serve its copy of this repository, since ${why}`;
    await expect(ask(make(), text(lsRefs))).rejects.toMatchObject({ message });
    expect(failures).toEqual([`not served: ${why}`]);
  },
);

test.each([
  ["an empty HEAD", () => writeFile(join(dir, "HEAD"), ""), "its HEAD cannot be read"],
  ["a .git", () => git(dir, ["clone", "-q", "--bare", ".", ".git"]), "it holds a .git"],
  ["a link among its refs", () => symlink("/", join(dir, "refs/heads/all")), "refs/heads/all is no regular file"],
  ["a link for its objects", () => relink(join(dir, "objects")), "objects is no regular file or folder"],
  ["a link for its refs", () => relink(join(dir, "refs")), "refs is no regular file or folder"],
  [
    "a link for a pack",
    () => symlink("/etc/hostname", join(dir, "objects/pack/pack-1.pack")),
    "pack-1.pack is no regular",
  ],
  ["alternates", () => writeFile(join(dir, "objects/info/alternates"), "/x\n"), "sends git to other folders"],
])("a repository with %s is never run in", async (_what, spoil, why) => {
  const upload = make();
  await buffer((await ask(upload, text(lsRefs))).output as Readable);
  // A repository above, which git would find by itself.
  await git(join(dir, ".."), ["init", "-q"]);
  await spoil();
  await expect(ask(upload, text(lsRefs))).rejects.toMatchObject({ code: "git" });
  expect(failures).toEqual([expect.stringContaining(why)]);
});

test("an alternates file without a line is none", async () => {
  await writeFile(join(dir, "objects/info/alternates"), "\n# none\n\n");
  const answer = await ask(make(), text(lsRefs));
  expect((await buffer(answer.output as Readable)).toString()).toContain("refs/heads/main");
});

async function relink(path: string): Promise<void> {
  await rename(path, `${path}.elsewhere`);
  await symlink(`${path}.elsewhere`, path);
}

test("only well-formed protocol headers enter the environment", () => {
  expect(["version=2", "version=1:version=2"].map(protocolVersion)).toEqual(["version=2", "version=1:version=2"]);
  expect([undefined, "", "version=22", "version=2;x", "a\nb", "version=2:foo=bar"].map(protocolVersion)).toEqual(
    Array.from({ length: 6 }, () => undefined),
  );
});
