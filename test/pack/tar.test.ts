import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { filePlace } from "../../src/pack/layout.ts";
import { tarOf } from "../../src/pack/tar.ts";
import { temporaryFolder } from "../support/folder.ts";

test("what was replaced is told to who reads, though they come late", async () => {
  const path = join(await temporaryFolder(), "docs.tar.gz");
  await writeFile(path, "another size");
  const archive = tarOf([{ path: "docs.tar.gz", content: filePlace(path), size: 3 }]);
  // An error that nobody listens for ends the process, and so this run.
  await sleep(200);
  const read = async () => {
    for await (const _ of archive);
  };
  await expect(read()).rejects.toMatchObject({
    code: "busy",
    message: "docs.tar.gz was replaced while it was packed; run it again",
  });
});

test.skipIf(process.platform !== "linux")("who reads no further leaves no file open", async () => {
  const folder = await temporaryFolder();
  const bytes = Buffer.alloc(9_000_000);
  const names = ["a", "b", "c"];
  for (const name of names) await writeFile(join(folder, name), bytes);
  const files = names.map((name) => ({ path: name, content: filePlace(join(folder, name)), size: bytes.length }));
  const open = async () => (await readdir("/proc/self/fd")).length;
  const before = await open();
  const read = async () => {
    for await (const _ of tarOf(files)) throw new Error("no room on the disk");
  };
  await expect(read()).rejects.toThrow("no room on the disk");
  await expect.poll(open).toBeLessThanOrEqual(before);
});
