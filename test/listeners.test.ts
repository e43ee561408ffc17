import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { aborted, onAbort, onClose } from "../src/listeners.ts";

describe("what has happened already is heard", () => {
  test("an abort", async () => {
    let heard = 0;
    onAbort(AbortSignal.abort(), () => (heard += 1));
    expect(heard).toBe(1);
    await aborted(AbortSignal.abort());
  });

  test("a close, and that it is about to close", async () => {
    let heard = 0;
    const stream = new PassThrough();
    stream.destroy();
    onClose(stream, () => (heard += 1));
    await once(stream, "close");
    onClose(stream, () => (heard += 1));
    expect(heard).toBe(2);
  });
});

test("what is to come is heard once, and not when the listener was taken away", async () => {
  const heard: string[] = [];
  const controller = new AbortController();
  onAbort(controller.signal, () => heard.push("abort"));
  onAbort(controller.signal, () => heard.push("never"))();
  const stream = new PassThrough();
  onClose(stream, () => heard.push("close"));
  onClose(stream, () => heard.push("never"))();
  controller.abort();
  stream.destroy();
  await once(stream, "close");
  expect(heard).toEqual(["abort", "close"]);
});
