/** Hosts that are away: found out by their silence, left alone, tried by one, and waited for as long as a deadline allows. */
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import type { HttpAnswer } from "../../src/upstream/http.ts";
import { troubleOf } from "../../src/upstream/trouble.ts";
import { openAsking, startScripted, startSilent, type Asking } from "../support/upstreams.ts";

const options = { maxSize: 1000 };
const body = ({ status, body: bytes }: HttpAnswer) => `${status} ${bytes.toString()}`;
const ok = (response: ServerResponse) => response.writeHead(200).end("ok");

/** What each of so many came to. */
async function askFor(count: number, { http }: Asking, url: string) {
  const paths = Array.from({ length: count }, (_, n) => `${url}/${n}`);
  return Promise.all(paths.map(async (path) => http.get(path, options, body).catch((error: unknown) => error)));
}

describe("a host that never answers", () => {
  test.each([1, 2, 32, 300])("is told of soon, whatever is asked of it: %i things", async (count) => {
    const { url, port } = await startSilent();
    const asking = openAsking();
    const results = await askFor(count, asking, url);
    expect(new Set(results.map(String))).toEqual(new Set([`MirrorError: 127.0.0.1:${port} does not answer`]));
    // A time for the first batch, and none for those that wait behind it.
    const untried = results.filter((error) => troubleOf(error)?.isUntried === true);
    expect(untried).toHaveLength(Math.max(0, count - 8));
    expect(asking.told).toEqual([`127.0.0.1:${port} does not answer`]);
    expect(results.some((error) => asking.patience.mayPass(error))).toBe(false);
  });

  test("does not stand in the way of others", async () => {
    const silent = await startSilent();
    const server = await startScripted((_request, response) => ok(response));
    const asking = openAsking();
    const [one, other] = await Promise.all([askFor(20, asking, silent.url), askFor(20, asking, server.url)]);
    expect(one.every((error) => troubleOf(error)?.kind === "silent")).toBe(true);
    expect(new Set(other)).toEqual(new Set(["200 ok"]));
  });
});

describe("a host that answers others", () => {
  test("is given the full time for each request, however long that is silent", async () => {
    const server = await startScripted(({ url }, response) => {
      if (url === "/slow" || url === "/slower") setTimeout(() => ok(response), 1200);
      else ok(response);
    });
    const asking = openAsking();
    const { http } = asking;
    const slow = ["/slow", "/slower"].map(async (path) => http.get(server.url + path, options, body));
    const busy = setInterval(() => void http.get(`${server.url}/quick`, options, body).catch(() => undefined), 200);
    onTestFinished(() => clearInterval(busy));
    expect(await Promise.all(slow)).toEqual(["200 ok", "200 ok"]);
    clearInterval(busy);
    expect(asking.told).toEqual([]);
  });

  test("one request alone gets the full time of a host that has answered before", async () => {
    const server = await startScripted(({ url }, response) => setTimeout(() => ok(response), url === "/0" ? 0 : 1200));
    const asking = openAsking();
    await asking.http.get(`${server.url}/0`, options, body);
    expect(await asking.http.get(`${server.url}/slow`, options, body)).toBe("200 ok");
    expect(asking.told).toEqual([]);
  });

  test("and falls silent in the middle is tried by one, for whom the others wait", async () => {
    let isAway = false;
    const server = await startScripted((_request, response, before) => {
      if (before === 4) isAway = true;
      // Away until it is tried: the ninth question and those after it are answered.
      if (isAway && before < 12) return;
      ok(response);
    });
    const asking = openAsking();
    expect(new Set(await askFor(20, asking, server.url))).toEqual(new Set(["200 ok"]));
    expect(asking.told).toEqual([`${server.host} does not answer`, `${server.host} answers again`]);
    // Eight were waiting when it fell silent, and came again, as one and then the rest.
    expect(server.requests.length).toBeLessThanOrEqual(20 + 9);
  });

  test("and never comes back is given up after a few rounds", async () => {
    const server = await startScripted((_request, response, before) => (before < 4 ? ok(response) : undefined));
    const asking = openAsking();
    const results = await askFor(20, asking, server.url);
    const failed = results.filter((each) => each !== "200 ok");
    expect(failed).toHaveLength(16);
    const isLeft = () => failed.some((error) => asking.patience.mayPass(error));
    expect(isLeft()).toBe(true);
    for (let round = 0; round < 2; round += 1) {
      asking.patience.beginRound();
      const before = server.requests.length;
      await askFor(5, asking, server.url);
      expect(server.requests.length - before).toBeLessThanOrEqual(1);
    }
    expect(isLeft()).toBe(false);
  });
});

test("a host that wants to be left alone is not taken for silent meanwhile", async () => {
  const server = await startScripted((_request, response, before) =>
    before < 8 ? response.writeHead(429, { "retry-after": "2" }).end() : ok(response),
  );
  const asking = openAsking();
  expect(new Set(await askFor(20, asking, server.url))).toEqual(new Set(["200 ok"]));
  expect(asking.told).toEqual([]);
});

test("our own work with what has come is no silence", async () => {
  const { patience, told } = openAsking();
  const work = async () =>
    patience.ask("host", { tries: 1 }, async ({ begin, sign, rest, signal }) => {
      begin();
      sign();
      rest();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      signal.throwIfAborted();
      return "done";
    });
  expect(await Promise.all([work(), work(), work()])).toEqual(["done", "done", "done"]);
  expect(told).toEqual([]);
});

describe("a host that answers with errors only", () => {
  test("is left alone after a while, which is told", async () => {
    const server = await startScripted((_request, response) => response.writeHead(503).end());
    const asking = openAsking({ limits: { pause: 0.3, longestPause: 0.3 } });
    const results = await askFor(300, asking, server.url);
    expect(asking.told).toEqual([`${server.host} answers with errors only`]);
    // Asking four times for each of them would be 1,200 questions.
    expect(server.requests.length).toBeLessThan(1200);
    expect(results.every((error) => troubleOf(error)?.kind === "busy")).toBe(true);
  });
});

describe("with a deadline", () => {
  /** In rounds, as a sync does: what fails is asked for again while there is time. */
  async function askInRounds(count: number, asking: Asking, url: string) {
    let results = await askFor(count, asking, url);
    while (results.some((error) => asking.patience.hasTimeFor(error))) {
      asking.patience.beginRound();
      await new Promise((resolve) => setTimeout(resolve, 50));
      results = await askFor(count, asking, url);
    }
    return results;
  }

  test("a host that does not answer is tried until it does", async () => {
    const until = Date.now() + 1500;
    const server = await startScripted((_request, response) => (Date.now() < until ? undefined : ok(response)));
    const asking = openAsking({ deadline: 20 });
    expect(new Set(await askInRounds(20, asking, server.url))).toEqual(new Set(["200 ok"]));
    expect(asking.told).toEqual([
      `${server.host} does not answer; it is tried again until the deadline`,
      `${server.host} answers again`,
    ]);
  });

  test.each([1, 20])("a host that is not there is tried until it is: %i things", async (count) => {
    const gone = await startSilent();
    await new Promise((resolve) => gone.server.close(resolve));
    const asking = openAsking({ deadline: 20 });
    const asked = askInRounds(count, asking, gone.url);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const late = createHttpServer((_request, response) => ok(response));
    await new Promise<void>((resolve) => late.listen(gone.port, "127.0.0.1", resolve));
    onTestFinished(() => {
      late.closeAllConnections();
      late.close();
    });
    expect(new Set(await asked)).toEqual(new Set(["200 ok"]));
  });

  test("everything ends by then, with what was not even tried told apart", async () => {
    const { url } = await startSilent();
    const asking = openAsking({ deadline: 1, limits: { silence: 5 } });
    const results = await askFor(20, asking, url);
    expect(new Set(results.map((error) => troubleOf(error)?.kind))).toEqual(new Set(["deadline"]));
    expect(results.filter((error) => troubleOf(error)?.isUntried === true).length).toBeGreaterThan(0);
    expect(results.some((error) => asking.patience.mayPass(error))).toBe(false);
  });
});
