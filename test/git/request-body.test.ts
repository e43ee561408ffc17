import { randomBytes } from "node:crypto";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { beforeEach, expect, test } from "vitest";
import { createBodyReceiver, type BodyReceiver } from "../../src/git/request-body.ts";
import { temporaryFolder } from "../support/folder.ts";

let dir: string;
let opened: number;
let receive: BodyReceiver;

const openNameless = async () => {
  opened += 1;
  const path = join(dir, randomBytes(4).toString("hex"));
  const file = await open(path, "wx+");
  await rm(path);
  return file;
};

beforeEach(async () => {
  dir = await temporaryFolder();
  opened = 0;
  receive = createBodyReceiver(openNameless, { short: 100, inMemory: 250, onDisk: 1000, ofClient: 400 });
});

const body = (length: number) => Readable.from([Buffer.alloc(length, "a"), Buffer.alloc(length, "b")]);

test("a short one is in memory, a long one in a file that has no name; both are read as they came", async () => {
  const short = await receive(body(50), "a");
  expect(short.bytes?.length).toBe(100);
  expect(opened).toBe(0);
  const long = await receive(body(150), "a");
  expect([long.bytes, opened, await readdir(dir)]).toEqual([undefined, 1, []]);
  for (const [received, length] of [
    [short, 50],
    [long, 150],
  ] as const) {
    const expected = Buffer.concat([Buffer.alloc(length, "a"), Buffer.alloc(length, "b")]);
    expect(await buffer(received.read())).toEqual(expected);
    received.discard();
  }
});

test("when memory is short, short ones go to files too", async () => {
  const kept = [await receive(body(50), "a"), await receive(body(50), "b")];
  expect((await receive(body(50), "c")).bytes).toBeUndefined();
  for (const { discard } of kept) discard();
  expect((await receive(body(50), "c")).bytes).toBeDefined();
});

test("one client's room is not everybody's, and what is discarded is free again", async () => {
  const first = await receive(body(150), "a");
  await expect(receive(body(150), "a")).rejects.toMatchObject({ code: "busy" });
  const others = [await receive(body(150), "b"), await receive(body(150), "c")];
  await expect(receive(body(150), "d")).rejects.toMatchObject({ code: "busy" });
  first.discard();
  first.discard();
  const again = await receive(body(150), "a");
  for (const { discard } of [again, ...others]) discard();
});

test("one that is cut off is the client's fault, a full disk is not", async () => {
  const cut = new PassThrough();
  cut.write(Buffer.alloc(150));
  setImmediate(() => cut.destroy(new Error("gone")));
  await expect(receive(cut, "a")).rejects.toMatchObject({ code: "malformed" });
  const full = createBodyReceiver(() => Promise.reject(new Error("no space left on device")));
  const large = Readable.from([Buffer.alloc(300 * 1024)]);
  await expect(full(large, "a")).rejects.toMatchObject({ code: "storage" });
});
