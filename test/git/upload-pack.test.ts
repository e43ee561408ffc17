/** The bounds around git upload-pack: how many, how long, and what is left when something goes wrong. */
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { packet } from "../../src/git/pkt-line.ts";
import {
  createUploadPack,
  protocolVersion,
  type UploadPack,
  type UploadPackSettings,
} from "../../src/git/upload-pack.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { descendants, waitUntil } from "../support/processes.ts";

let dir: string;
let failures: string[];
let make: (settings?: Partial<UploadPackSettings>) => UploadPack;

beforeEach(async () => {
  const root = await temporaryFolder();
  await makeRepository(join(root, "work"));
  await git(root, ["clone", "-q", "--bare", "work", "repo.git"]);
  dir = join(root, "repo.git");
  failures = [];
  const environments = await createGitEnvironments({ PATH: process.env["PATH"] });
  onTestFinished(() => environments.remove());
  make = (settings) =>
    createUploadPack({
      env: environments.own,
      maxProcesses: 2,
      maxWaiting: 8,
      idleSeconds: 30,
      onFailure: (_, stderr) => failures.push(stderr),
      ...settings,
    });
});

const lsRefs = `${packet("command=ls-refs")}00010000`;
const ask = (upload: UploadPack, body: Readable, signal = new AbortController().signal) =>
  upload.answer({ dir, protocol: "version=2", signal, body });

test("no more processes than the limit; the rest wait; more than may wait are told to come back", async () => {
  const upload = make({ maxProcesses: 1, maxWaiting: 2 });
  const bodies = [new PassThrough(), new PassThrough(), new PassThrough()];
  const answers = bodies.map((body) => ask(upload, body));
  await waitUntil(() => upload.load().running === 1 && upload.load().waiting === 2, "the queue to fill");
  expect(descendants(process.pid).length).toBeLessThanOrEqual(2);
  await expect(ask(upload, Readable.from([lsRefs]))).rejects.toMatchObject({ code: "busy" });
  for (const body of bodies) body.end(lsRefs);
  const texts = await Promise.all(
    answers.map(async (answer) => (await buffer((await answer).output as Readable)).toString()),
  );
  expect(texts.every((text) => text.includes("refs/heads/main"))).toBe(true);
});

test("a request that never comes to its end is ended, and says so in the log", async () => {
  const upload = make({ idleSeconds: 0.3 });
  await expect(ask(upload, new PassThrough())).rejects.toMatchObject({ code: "git" });
  expect(failures).toEqual(["ended: nothing moved for too long"]);
  expect(upload.load()).toEqual({ running: 0, waiting: 0 });
});

test("a client that went away while it waited costs no process", async () => {
  const upload = make({ maxProcesses: 1 });
  const first = new PassThrough();
  const running = ask(upload, first);
  const gone = new AbortController();
  const waiting = ask(upload, new PassThrough(), gone.signal);
  gone.abort();
  first.end(lsRefs);
  await buffer((await running).output as Readable);
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
});

test("whether git ended well is known at the end", async () => {
  const upload = make();
  const good = await ask(upload, Readable.from([lsRefs]));
  await buffer(good.output as Readable);
  expect(await good.succeeded).toBe(true);
  const want = `${packet("command=fetch")}0001${packet(`want ${"2".repeat(40)}\n`)}${packet("done\n")}0000`;
  const bad = await ask(upload, Readable.from([want]));
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
  const answer = make().answer({ dir, protocol, signal, body: Readable.from([body]) });
  await expect(answer).rejects.toMatchObject({ code: "malformed" });
  expect(failures).toEqual([]);
});

test("a repository whose own configuration would act is not served, and the log tells why", async () => {
  const upload = make();
  await git(dir, ["config", "core.sshCommand", "x"]);
  await expect(ask(upload, Readable.from([lsRefs]))).rejects.toMatchObject({ code: "git" });
  expect(failures).toEqual([expect.stringContaining("not served: its config says core.sshCommand")]);
});

test("only well-formed protocol headers enter the environment", () => {
  expect(["version=2", "version=1:version=2"].map(protocolVersion)).toEqual(["version=2", "version=1:version=2"]);
  expect([undefined, "", "version=22", "version=2;x", "a\nb", "version=2:foo=bar"].map(protocolVersion)).toEqual(
    Array.from({ length: 6 }, () => undefined),
  );
});
