import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeEach, expect, test } from "vitest";
import { GrowingFile } from "../../src/disk/growing-file.ts";
import { temporaryFolder } from "../support/folder.ts";
import { waitUntil } from "../support/processes.ts";

// More than is kept in memory, and no whole number of chunks.
const content = randomBytes(5 * 1024 * 1024 + 4321);
let path: string;

beforeEach(async () => {
  path = join(await temporaryFolder(), "file");
});

async function grow(file: GrowingFile, from = 0, to = content.length): Promise<void> {
  for (let start = from; start < to;) {
    const length = Math.min(1 + ((start * 7919) % 100_000), to - start);
    await file.write(content.subarray(start, start + length));
    start += length;
  }
}

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

async function slowly(stream: Readable, milliseconds: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    await wait(milliseconds);
  }
  return Buffer.concat(chunks);
}

test("whoever reads it gets all of it: at once, slowly, later, and when it is complete", async () => {
  let unread = 0;
  const file = await GrowingFile.create(path, () => (unread += 1));
  const reading = [buffer(file.reader()), slowly(file.reader(), 2)];
  await grow(file, 0, 1_000_000);
  reading.push(buffer(file.reader()));
  await grow(file, 1_000_000, 4_000_000);
  reading.push(buffer(file.reader()), slowly(file.reader(), 1));
  await grow(file, 4_000_000);
  reading.push(buffer(file.reader()));
  await file.complete(`${path}.kept`);
  reading.push(buffer(file.reader()));
  for (const bytes of await Promise.all(reading)) expect(digest(bytes)).toBe(digest(content));
  expect(unread).toBe(1);
});

test("one that reads nothing holds up neither the writer nor the others", async () => {
  const file = await GrowingFile.create(path, () => undefined);
  const stalled = file.reader();
  stalled.read(0);
  const reading = buffer(file.reader());
  await grow(file);
  await file.complete(undefined);
  expect(digest(await reading)).toBe(digest(content));
  expect(stalled.readableLength).toBeLessThan(1024 * 1024);
  expect(digest(await buffer(stalled))).toBe(digest(content));
});

test("another process writes it: readers have all of it as it comes, and what is added when that has ended", async () => {
  const file = await GrowingFile.create(path, () => undefined);
  const script = "for n in 1 2 3 4; do head -c 300000 /dev/zero; sleep 0.05; done; printf end";
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", file.descriptor, "inherit"] });
  const exit = once(child, "close");
  const sizes: number[] = [];
  const following = file.follow(() => sizes.push(file.bytes));
  const reading = [buffer(file.reader()), slowly(file.reader(), 1)];
  await exit;
  following.stop();
  await file.write(Buffer.from(", and more"));
  await file.complete(undefined);
  for (const bytes of await Promise.all(reading)) {
    expect(bytes).toHaveLength(1_200_013);
    expect(bytes.toString("latin1", 1_200_000)).toBe("end, and more");
  }
  expect(sizes.length).toBeGreaterThan(2);
  expect(sizes.at(-1)).toBe(1_200_003);
});

test("a failure comes after what was read", async () => {
  const file = await GrowingFile.create(path, () => undefined);
  const reader = file.reader();
  let size = 0;
  reader.on("data", (chunk: Buffer) => (size += chunk.length));
  const failed = once(reader, "error");
  await grow(file, 0, 300_000);
  await file.fail(new Error("git was ended"));
  expect(String((await failed)[0])).toContain("git was ended");
  expect(size).toBe(300_000);
});

test("a complete one is opened for any number of readers, wherever each of them is", async () => {
  await writeFile(path, content);
  let unread = 0;
  const file = await GrowingFile.open(path, () => (unread += 1));
  expect(file.bytes).toBe(content.length);
  const reading = [buffer(file.reader()), slowly(file.reader(), 1), buffer(file.reader())];
  await wait(20);
  reading.push(buffer(file.reader()));
  for (const bytes of await Promise.all(reading)) expect(digest(bytes)).toBe(digest(content));
  expect(unread).toBe(1);
});

test("clients who stand still, each in a file of its own, hold little memory", async () => {
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc") as () => void;
  const memory = () => (collect(), process.memoryUsage().arrayBuffers);
  const before = memory();
  const readers = await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      const file = await GrowingFile.create(`${path}-${n}`, () => undefined);
      const reader = file.reader();
      const whileItGrows = readUntil(reader, 2_000_000);
      // Copies, as git's output is nobody else's.
      for (let start = 0; start < content.length; start += 65_536) {
        await file.write(Buffer.from(content.subarray(start, start + 65_536)));
      }
      await file.complete(undefined);
      await whileItGrows;
      await readUntil(reader, 1_500_000);
      return reader;
    }),
  );
  // Of 300 MiB: 16 for all, and what is on its way to each.
  await waitUntil(() => memory() - before < 40 * 1024 * 1024, "memory to be given back");
  expect(readers.filter(({ readableEnded }) => readableEnded)).toEqual([]);
  for (const reader of readers) reader.destroy();
});

/** Takes so many bytes, and then no more. */
async function readUntil(reader: Readable, bytes: number): Promise<void> {
  let size = 0;
  await new Promise<void>((resolve) => {
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size < bytes) return;
      reader.off("data", take).pause();
      resolve();
    };
    reader.on("data", take).resume();
  });
}

test("one that is shorter than it was ends with an error, and never with less", async () => {
  await writeFile(path, content);
  const file = await GrowingFile.open(path, () => undefined);
  await truncate(path, 1_000_000);
  await expect(buffer(file.reader())).rejects.toThrow("shorter than what was written");
});
