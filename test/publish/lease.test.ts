import { describe, expect, test } from "vitest";
import { isConditional, takeLease } from "../../src/publish/lease.ts";
import type { S3 } from "../../src/publish/s3.ts";

/** A store in memory: such as no server here is, since it can be one that ignores conditions. */
function store({ honours = true } = {}): S3 & { readonly objects: Map<string, Buffer> } {
  const objects = new Map<string, Buffer>();
  return {
    objects,
    list: async (below = "") =>
      new Map(
        [...objects]
          .filter(([key]) => key.startsWith(below))
          .map(([key, { length }]) => [key, { size: length, etag: "" }]),
      ),
    put: async (key, bytes, { ifAbsent = false }) => {
      if (honours && ifAbsent && objects.has(key)) return "there";
      objects.set(key, bytes);
      return "stored";
    },
    read: async (key) => objects.get(key),
    sha256Of: async () => undefined,
    remove: async (key) => void objects.delete(key),
  };
}

const { signal } = new AbortController();
const quick = { signal, beat: 20, deadAfter: 400 };
const taken = (s3: S3, onWait = () => undefined) => takeLease(s3, { ...quick, onWait });

test("whether a store honours conditions is tried, and nothing stays of it", async () => {
  const [good, bad] = [store(), store({ honours: false })];
  expect([await isConditional(good), await isConditional(bad)]).toEqual([true, false]);
  expect([good.objects.size, bad.objects.size]).toEqual([0, 0]);
});

describe("a lease", () => {
  test("is had by one at a time, and goes from hand to hand", async () => {
    const s3 = store();
    let [working, most, waited] = [0, 0, 0];
    const work = async () => {
      const lease = await taken(s3, () => void (waited += 1));
      most = Math.max(most, ++working);
      await new Promise((resolve) => setTimeout(resolve, 60));
      await lease.requireHeld();
      working -= 1;
      await lease.release();
    };
    await Promise.all([work(), work(), work(), work()]);
    expect([most, working]).toEqual([1, 0]);
    expect(waited).toBeGreaterThan(0);
  });

  test("lasts as long as its holder gives signs of life, and no longer; who stood still hears of it", async () => {
    const s3 = store();
    const alive = await taken(s3);
    let isTaken = false;
    const other = taken(s3).then((lease) => ((isTaken = true), lease));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(isTaken).toBe(false);
    await alive.release();
    const second = await other;
    await second.release();
    s3.objects.set(".mirror-server/lease-000000009", Buffer.from("dead 0"));
    const third = await taken(s3);
    expect([...s3.objects.keys()].at(-1)).toMatch(/lease-000000010$/);
    await third.requireHeld();
    s3.objects.set(".mirror-server/lease-000000011", Buffer.from("another 0"));
    await expect(third.requireHeld()).rejects.toThrow(/another process publishes there by now/);
    await third.release();
  });

  test("is had by whose answer was lost on the way", async () => {
    const s3 = store();
    const lossy: S3 = {
      ...s3,
      put: async (...args) => (await s3.put(...args), args[2].ifAbsent === true ? "there" : "stored"),
    };
    const lease = await taken(lossy);
    expect([...s3.objects.keys()]).toEqual([".mirror-server/lease-000000001"]);
    await lease.requireHeld();
    await lease.release();
  });

  test("ends for who cannot say any more that he has it", async () => {
    const s3 = store();
    const lease = await taken({
      ...s3,
      put: async (key, bytes, options) =>
        options.tries === 1 ? Promise.reject(new Error("away")) : s3.put(key, bytes, options),
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lease.signal.aborted).toBe(true);
    await expect(lease.requireHeld()).rejects.toThrow(/another process publishes there by now/);
    await lease.release();
  });
});
