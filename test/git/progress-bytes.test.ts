import { expect, test } from "vitest";
import { countReceived } from "../../src/git/progress-bytes.ts";

test("bytes are what git's progress says, counted on, and anew with the next fetch", () => {
  const told: number[] = [];
  const received = countReceived((count) => told.push(count));
  const lines = [
    "remote: Counting objects: 100% (3/3), done.",
    "Receiving objects:  10% (1/10)",
    "Receiving objects:  20% (2/10), 1.50 KiB | 3.00 KiB/s",
    "Receiving objects:  90% (9/10), 2.00 MiB | 1.00 MiB/s",
    "Receiving objects: 100% (10/10), 2.00 MiB | 1.00 MiB/s, done.",
    "Resolving deltas: 100% (2/2), done.",
    "Receiving objects: 100% (2/2), 512 bytes | 512.00 KiB/s, done.",
  ];
  for (const line of lines) received.read(line);
  expect(received.bytes()).toBe(2 * 1024 ** 2 + 512);
  expect(told.reduce((sum, count) => sum + count, 0)).toBe(received.bytes());
});
