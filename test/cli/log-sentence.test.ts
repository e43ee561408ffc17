/** Lines of the log as people read them: sentences, each thing said once, and nothing that steers a terminal. */
import { expect, test } from "vitest";
import { logSentence } from "../../src/cli/log-sentence.ts";

const text = (fields: Record<string, unknown>) => logSentence(JSON.stringify({ level: 30, time: 0, ...fields })).text;

test("a request is told in the order in which one reads it", () => {
  const request = { method: "GET", host: "github.com", path: "/o/r/info/refs", status: 200, bytes: 3000, ms: 12.3 };
  const line = { msg: "request", reqId: "req-1", client: "127.0.0.1", ...request };
  expect(text(line)).toBe("GET github.com/o/r/info/refs 200, 3.0 kB in 12.3 ms");
  expect(text({ ...line, aborted: true })).toMatch(/ in 12\.3 ms, and the client hung up$/);
});

test("an error is told once, whether the sentence says it or not", () => {
  const err = { type: "Error", message: "EACCES: no access", stack: "Error: EACCES: no access\n at x" };
  expect(text({ msg: "the lock cannot be read", err })).toBe("the lock cannot be read: EACCES: no access");
  expect(text({ msg: "cannot begin: EACCES: no access", err })).toBe("cannot begin: EACCES: no access");
});

test("what it is about comes first, what else is known last, and nothing twice", () => {
  const item = { kind: "git", host: "github.com", path: "o/r" };
  expect(text({ msg: "was fetched", item, bytes: 5, locks: ["a", "b"] })).toBe(
    "https://github.com/o/r was fetched (bytes 5, locks a, b)",
  );
  expect(text({ msg: "clients will not trust this server as x.org", host: "x.org" })).toBe(
    "clients will not trust this server as x.org",
  );
});

test("no line steers a terminal, and what is no JSON is told as it is", () => {
  expect(
    text({ msg: "request", method: "GET", host: "x", path: "/\u001b[2J", status: 404, bytes: 0, ms: 1 }),
  ).toContain("\\u001b[2J");
  expect(logSentence("oops \u0007\n")).toEqual({ level: 30, time: 0, text: "oops \\u0007" });
});
