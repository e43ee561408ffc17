import { expect, test } from "vitest";
import { packet } from "../../src/git/pkt-line.ts";
import { requestKey } from "../../src/git/request-key.ts";

const sha = "1".repeat(40);
const v2 = (agent: string, extra = "") =>
  Buffer.from(
    `${packet("command=fetch")}${packet(`agent=${agent}`)}${packet(`session-id=${agent}`)}0001${packet(`want ${sha}\n`)}${extra}0000`,
  );
const v0 = (capabilities: string) => Buffer.from(`${packet(`want ${sha} ${capabilities}\n`)}0000${packet("done\n")}`);

test("who asks does not matter, in any version of the protocol", () => {
  expect(requestKey("version=2", v2("git/2.39"))).toEqual(requestKey("version=2", v2("git/2.50-Linux")));
  expect(requestKey(undefined, v0("side-band-64k agent=git/1 ofs-delta session-id=a"))).toEqual(
    requestKey(undefined, v0("side-band-64k agent=git/2 ofs-delta session-id=b")),
  );
});

test("everything else does", () => {
  const keys = [
    requestKey("version=2", v2("a")),
    requestKey("version=1", v2("a")),
    requestKey("version=2", v2("a", packet("no-progress"))),
    requestKey("version=2", v2("a", packet(`have ${sha}\n`))),
    requestKey("version=2", v2("a", packet("deepen 1"))),
    requestKey(undefined, v0("side-band-64k")),
    requestKey(undefined, v0("side-band")),
  ].map((found) => found?.key);
  expect(new Set(keys).size).toBe(keys.length);
});

test("knows a question for refs", () => {
  expect(requestKey("version=2", Buffer.from(`${packet("command=ls-refs\n")}0000`))?.isRefs).toBe(true);
  expect(requestKey("version=2", v2("a"))?.isRefs).toBe(false);
});

test.each(["zzzz", "0010short", "00", "GET / HTTP/1.1"])("%j is not made of packets", (body) => {
  expect(requestKey(undefined, Buffer.from(body))).toBeUndefined();
});
