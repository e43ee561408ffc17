import { describe, expect, test } from "vitest";
import { options } from "../../src/options.ts";
import { fileJobs as jobsOf } from "../../src/plan/files.ts";

/** From what stands in the configuration file. */
const fileJobs = (files: unknown[]) => jobsOf(options.files.schema.parse(files));

const sha = "Ab".repeat(32);

test("one URL, with its checksum", () => {
  expect(fileJobs([{ url: "https://GitHub.com/o/r/releases/download/v1/tool", sha256: sha }])).toMatchObject([
    {
      url: "https://GitHub.com/o/r/releases/download/v1/tool",
      host: "github.com",
      path: "o/r/releases/download/v1/tool",
      sha256: sha.toLowerCase(),
    },
  ]);
});

test("names in braces stand for each of their values, and checksums are given by file name", () => {
  const jobs = fileJobs([
    {
      url: "https://github.com/o/r/releases/download/v{version}/tool-{target}",
      version: "1.2",
      target: ["linux-x64", "macos-arm64"],
      sha256: { "tool-linux-x64": sha },
    },
  ]);
  expect(jobs.map(({ path, sha256 }) => [path, sha256])).toEqual([
    ["o/r/releases/download/v1.2/tool-linux-x64", sha.toLowerCase()],
    ["o/r/releases/download/v1.2/tool-macos-arm64", undefined],
  ]);
});

test("a step up is taken as every client takes it, so that what is left is an ordinary path", () => {
  expect(fileJobs([{ url: "https://h/a/%2e%2e/x" }])[0]?.path).toBe("x");
});

test("npm's scoped names and escaped characters are paths like others; what comes twice comes once", () => {
  const url = "https://registry.npmjs.org/%40esbuild/linux-x64/-/linux-x64-0.17.11.tgz";
  const jobs = fileJobs([{ url }, { url: url.replace("%40", "@") }]);
  expect(jobs.map(({ host, path }) => `${host}/${path}`)).toEqual([
    "registry.npmjs.org/@esbuild/linux-x64/-/linux-x64-0.17.11.tgz",
  ]);
});

test("a file that is listed twice keeps the checksum that one of them has", () => {
  expect(fileJobs([{ url: "https://h/x", sha256: sha }, { url: "https://h/x" }])).toMatchObject([
    { sha256: sha.toLowerCase() },
  ]);
  expect(() => fileJobs([{ url: "https://h/x" }, { url: "http://h/x" }])).toThrow(/it comes twice/);
  const other = "0".repeat(64);
  expect(() =>
    fileJobs([
      { url: "https://h/x", sha256: sha },
      { url: "https://h/x", sha256: other },
    ]),
  ).toThrow(/twice/);
  expect(() => fileJobs([{ url: "https://h/a" }, { url: "https://h/a/b" }])).toThrow(/cannot be a folder/);
});

describe("what cannot be mirrored is refused, with the URL and the reason", () => {
  test.each([
    [{ url: "ftp://h/x" }, /ftp:\/\/h\/x: it is no http or https URL/],
    [{ url: "no url" }, /it is no http or https URL/],
    [{ url: "https://u:p@h/x" }, /credentials have no place here/],
    [{ url: "https://h/x?token=1" }, /a query has no place in a folder/],
    [{ url: "https://h/a%2f..%2fb" }, /cannot be a file's name/],
    [{ url: "https://h/.git/config" }, /cannot be a file's name/],
    [{ url: "https://h/" }, /cannot be a file's name/],
    [{ url: "https://h/{target}" }, /"target" stands in braces, but is not given/],
    [{ url: "https://h/{t}", t: [] }, /"t" stands in braces, but is not given/],
    [{ url: "https://[::1]/x" }, /its host is no name/],
    [{ url: "https://h/x", target: ["a"] }, /"target" does not stand in braces in it/],
    [{ url: "https://h/{t}", t: ["a", "b"], sha256: sha }, /it stands for 2 URLs; give "sha256" as an object/],
    [{ url: "https://h/{t}", t: ["a"], sha256: { b: sha } }, /"sha256" names b, which is none of its files/],
  ])("%j", (source, message) => {
    expect(() => fileJobs([source])).toThrow(message);
  });
});
