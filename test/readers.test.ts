/** What is nearly right is taken or refused in words by every reader: a sample of what test/torture/readers.test.ts does. */
import { expect, test } from "vitest";
import { feed } from "./support/read-nearly.ts";
import { readers } from "./support/readers.ts";

const inputs = 300;

test.each(Object.entries(readers))("%s", (_name, reader) => {
  const { taken, refused } = feed(reader, inputs, Date.now());
  expect(taken + refused).toBe(inputs);
  expect(taken).toBeGreaterThan(0);
});
