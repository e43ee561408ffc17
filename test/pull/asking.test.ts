/** What a client is told while upstream does not answer. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createAsking } from "../../src/pull/asking.ts";
import { HostsAway } from "../../src/pull/hosts-away.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2026-11-27T08:00:00Z") });
});
afterEach(() => {
  vi.useRealTimers();
});

test("that it is offline, and since when, once that is longer than just now", async () => {
  const away = new HostsAway(() => undefined);
  const asking = createAsking(away, 1, () => undefined);
  const bring = async () =>
    asking.bring({ key: "a", host: "repo.hex.pm", work: async () => Promise.reject(new Error()) });
  away.failed("repo.hex.pm", "no route to host");
  await expect(bring()).rejects.toThrow("repo.hex.pm cannot be asked just now: no route to host");
  vi.setSystemTime(Date.parse("2026-11-27T09:30:00Z"));
  away.failed("repo.hex.pm", "no route to host");
  await expect(bring()).rejects.toThrow("repo.hex.pm cannot be asked since 2026-11-27T08:00:00Z: no route to host");
});
