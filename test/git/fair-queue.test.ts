import { expect, test, vi } from "vitest";
import { FairQueue } from "../../src/git/fair-queue.ts";

const signal = new AbortController().signal;

/** Runs work that ends when it is told to. */
function begin(queue: FairQueue, client: string, order: string[], at: AbortSignal = signal) {
  let end: () => void = () => undefined;
  const done = queue.run(new Set([client]), at, async () => {
    order.push(client);
    await new Promise<void>((resolve) => (end = resolve));
  });
  done.catch(() => undefined);
  return { done, end: () => end() };
}

test("whoever comes while a place is free gets it, one client all of them", async () => {
  const queue = new FairQueue(3, 0);
  const order: string[] = [];
  for (let n = 0; n < 3; n++) begin(queue, "a", order);
  await Promise.resolve();
  expect(order).toEqual(["a", "a", "a"]);
  expect(queue.load()).toEqual({ running: 3, waiting: 0 });
});

test("next is the client that has the fewest, not the one that asks most", async () => {
  const queue = new FairQueue(2, 100);
  const order: string[] = [];
  const first = begin(queue, "a", order);
  begin(queue, "a", order);
  for (let n = 0; n < 50; n++) begin(queue, "a", order);
  begin(queue, "b", order);
  await Promise.resolve();
  first.end();
  await first.done;
  await vi.waitFor(() => expect(order).toEqual(["a", "a", "b"]));
});

test("when too many wait, the greediest is told to come back, and nobody else", async () => {
  const queue = new FairQueue(1, 3);
  const order: string[] = [];
  begin(queue, "a", order);
  const greedy = [1, 2, 3].map(() => begin(queue, "a", order));
  const modest = begin(queue, "b", order);
  await expect(greedy[2]?.done).rejects.toMatchObject({ code: "busy" });
  expect(queue.load()).toEqual({ running: 1, waiting: 3 });
  expect(await Promise.race([modest.done, Promise.resolve("waits")])).toBe("waits");
});

test("whoever goes away leaves its turn to the others", async () => {
  const queue = new FairQueue(1, 10);
  const order: string[] = [];
  const first = begin(queue, "a", order);
  const gone = new AbortController();
  const left = begin(queue, "b", order, gone.signal);
  begin(queue, "c", order);
  gone.abort();
  await expect(left.done).rejects.toMatchObject({ code: "cancelled" });
  await expect(begin(queue, "b", order, gone.signal).done).rejects.toMatchObject({ code: "cancelled" });
  first.end();
  await first.done;
  await vi.waitFor(() => expect(order).toEqual(["a", "c"]));
});

test("work that fails gives its place back", async () => {
  const queue = new FairQueue(1, 0);
  await expect(queue.run(new Set(["a"]), signal, () => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  expect(queue.load()).toEqual({ running: 0, waiting: 0 });
});

test("with one place the clients take turns", async () => {
  const queue = new FairQueue(1, 100);
  const order: string[] = [];
  const all = ["a", "a", "a", "b", "a", "b", "c"].map((client) => begin(queue, client, order));
  for (let n = 0; n < all.length; n++) {
    await vi.waitFor(() => expect(order).toHaveLength(n + 1));
    for (const { end } of all) end();
  }
  expect(order).toEqual(["a", "b", "c", "a", "b", "a", "a"]);
});

test("what another client has come to wait for as well has that one's turn", async () => {
  const queue = new FairQueue(1, 3);
  const order: string[] = [];
  const first = begin(queue, "a", order);
  begin(queue, "a", order);
  begin(queue, "a", order);
  const clients = new Set(["a"]);
  const shared = queue.run(clients, signal, async () => void order.push("shared"));
  clients.add("b");
  const refused = begin(queue, "a", order);
  await expect(refused.done).rejects.toMatchObject({ code: "busy" });
  first.end();
  await shared;
  expect(order.slice(0, 2)).toEqual(["a", "shared"]);
});
