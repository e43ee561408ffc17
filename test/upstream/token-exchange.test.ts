/** A key is exchanged for a token, once, and sent nowhere else. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { beforeEach, describe, expect, test } from "vitest";
import { exchanging } from "../../src/upstream/token-exchange.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { openAsking } from "../support/upstreams.ts";

let asked: { method: string | undefined; url: string | undefined; body: unknown; authorization: string | undefined }[];
let answer: (response: ServerResponse) => void;
let url: string;

beforeEach(async () => {
  asked = [];
  answer = (response) => response.end(JSON.stringify({ access_token: `t${asked.length}`, expires_in: 1800 }));
  url = await listenOnLoopback(
    createServer((request: IncomingMessage, response: ServerResponse) => {
      void text(request).then((body) => {
        const { method, url: path, headers } = request;
        asked.push({
          method,
          url: path,
          body: body === "" ? undefined : JSON.parse(body),
          authorization: headers.authorization,
        });
        answer(response);
      });
    }),
  );
});

const open = () => {
  const { http } = openAsking();
  const tokenOf = exchanging({ key: "k3y", apiUrl: `${url}/api`, repository: "hexpm:acme", remedy: "ask somebody" });
  return async () => tokenOf(http, {});
};

test("by a request that holds the key alone, once for all who ask and for as long as it lasts", async () => {
  const token = open();
  expect(await Promise.all([token(), token(), token()])).toEqual(["Bearer t1", "Bearer t1", "Bearer t1"]);
  expect(await token()).toBe("Bearer t1");
  expect(asked).toEqual([
    {
      method: "POST",
      url: "/api/oauth/token",
      authorization: undefined,
      body: {
        grant_type: "client_credentials",
        client_id: expect.any(String) as string,
        client_secret: "k3y",
        scope: "repositories",
      },
    },
  ]);
});

test("anew when it is about to end", async () => {
  answer = (response) => response.end(JSON.stringify({ access_token: `t${asked.length}`, expires_in: 299 }));
  const token = open();
  expect([await token(), await token()]).toEqual(["Bearer t1", "Bearer t2"]);
});

test("an API that knows of no exchange is not asked again: the key goes as it stands", async () => {
  answer = (response) => response.writeHead(404).end();
  const token = open();
  expect([await token(), await token()]).toEqual(["k3y", "k3y"]);
  expect(asked).toHaveLength(1);
});

describe("what is no token is told, with what to do, and without the key", () => {
  test.each([
    [401, "{}", /answers with status 401; ask somebody/],
    [200, "<html>", /answers with no token; ask somebody/],
    [200, '{"access_token": "", "expires_in": 1}', /answers with no token/],
    [302, "", /redirects, and what is sent to it may be a secret/],
  ])("%i %s", async (status, body, message) => {
    answer = (response) => response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end(body);
    const failure = await open()().then(String, (error: Error) => error.message);
    expect(failure).toMatch(message);
    expect(failure).not.toContain("k3y");
    expect(asked.every((each) => each.url === "/api/oauth/token")).toBe(true);
  });
});

test("one that did not work is asked for again", async () => {
  answer = (response) => response.writeHead(401).end();
  const token = open();
  await expect(token()).rejects.toThrow("401");
  answer = (response) => response.end(JSON.stringify({ access_token: "now", expires_in: 1800 }));
  expect(await token()).toBe("Bearer now");
});
