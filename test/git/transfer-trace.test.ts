import { describe, expect, onTestFinished, test } from "vitest";
import { join } from "node:path";
import { createGitEnvironments } from "../../src/git/environment.ts";
import { isUntrusted, tryGit } from "../../src/git/run.ts";
import { readTransferTrace } from "../../src/git/transfer-trace.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, startGitUpstream } from "../support/git.ts";

test("answers are told as they come, and a proxy's to CONNECT is none", () => {
  const seen: number[] = [];
  const trace = readTransferTrace({ onStatus: (status) => seen.push(status) });
  const lines = [
    "12:00:00.1 http.c:664 => Send header: CONNECT github.com:443 HTTP/1.1",
    "12:00:00.2 http.c:664 <= Recv header: HTTP/1.1 200 Connection established",
    "12:00:00.3 http.c:664 => Send header: GET /o/r.git/info/refs?service=git-upload-pack HTTP/2",
    "12:00:00.4 http.c:664 <= Recv header: HTTP/2 503 ",
    "12:00:00.5 http.c:664 <= Recv header: content-type: text/plain HTTP/1.1 200",
    "12:00:00.6 http.c:664 => Send header: POST /o/r.git/git-upload-pack HTTP/1.1",
    "12:00:00.7 http.c:664 <= Recv header: HTTP/1.1 200 OK",
    "",
  ].join("\n");
  for (const piece of lines.match(/.{1,7}/gs) ?? []) trace.read(piece);
  expect(seen).toEqual([503, 200]);
});

test("git tells of each answer while it runs, and the trace is not in what it says", async () => {
  const root = await temporaryFolder();
  await makeRepository(join(root, "o/r.git"));
  const upstream = await startGitUpstream(root);
  const environments = await createGitEnvironments({ PATH: process.env["PATH"], HOME: root });
  onTestFinished(() => environments.remove());
  const seen: number[] = [];
  const result = await tryGit(["ls-remote", "--", `${upstream.url}/o/r.git`], {
    ...environments.upstream(),
    onStatus: (status) => seen.push(status),
  });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(seen.length).toBe(upstream.log.length);
  expect(new Set(seen)).toEqual(new Set([200]));
  const missing = await tryGit(["ls-remote", "--", `${upstream.url}/o/none.git`], {
    ...environments.upstream(),
    onStatus: (status) => seen.push(status),
  });
  expect([missing.code, seen.at(-1)]).toEqual([128, 404]);
});

describe("that a certificate is not trusted is told by git's words, not by a repository's name", () => {
  test.each([
    ["fatal: unable to access 'https://x/': SSL certificate problem: unable to get local issuer certificate", true],
    ["fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none", true],
    ["fatal: unable to access 'https://x/': SSL: no alternative certificate subject name matches target", true],
    ["fatal: repository 'https://github.com/o/certificates/' not found", false],
    ["fatal: unable to access 'https://github.com/deadtrickster/ssl_verify_fun.erl/': Could not resolve host", false],
  ])("%s", (stderr, expected) => {
    expect(isUntrusted(stderr)).toBe(expected);
  });
});
