import { describe, expect, test } from "vitest";
import { normalisePath, parseGitUrl, redactUrl, urlPrefix } from "../../src/names/git-url.ts";

describe("parseGitUrl", () => {
  test.each([
    ["https://github.com/owner/repo", "github.com", "owner/repo"],
    ["https://github.com/owner/repo.git", "github.com", "owner/repo"],
    ["https://GitHub.com//Owner/Repo.git/", "github.com", "Owner/Repo"],
    ["http://git.example.org:8080/a/b", "git.example.org", "a/b"],
    ["ssh://git@github.com/owner/repo.git", "github.com", "owner/repo"],
    ["ssh://git@host.example:2222/~user/repo", "host.example", "~user/repo"],
    ["git@github.com:owner/repo.git", "github.com", "owner/repo"],
    ["github.com:owner/repo", "github.com", "owner/repo"],
    ["https://gitlab.com/group/sub/deep/project.git", "gitlab.com", "group/sub/deep/project"],
    ["https://token:x-oauth@github.com/owner/repo", "github.com", "owner/repo"],
    ["https://[::1]:8080/a/b", "::1", "a/b"],
    ["https://github.com/owner/repo.name.git", "github.com", "owner/repo.name"],
    ["https://github.com/owner/.github", "github.com", "owner/.github"],
    ["https://github.com/owner/.dotfiles.git", "github.com", "owner/.dotfiles"],
    ["https://github.com/owner/-", "github.com", "owner/-"],
  ])("%s is %s, %s", (url, host, path) => {
    expect(parseGitUrl(url)).toEqual({ host, path, fetchUrl: url });
  });

  test("fetches from the forges' dead git:// by https, from others as they say", () => {
    expect(parseGitUrl("git://github.com/bors-ng/etoml.git").fetchUrl).toBe("https://github.com/bors-ng/etoml.git");
    expect(parseGitUrl("git://git.example.org/x.git").fetchUrl).toBe("git://git.example.org/x.git");
  });

  test.each([
    ["http://github.com/o/r", "https://github.com/o/r"],
    ["http://bot:x@gitlab.com:80/o/r.git", "https://bot:x@gitlab.com/o/r.git"],
    ["git://codeberg.org:9418/o/r.git", "https://codeberg.org/o/r.git"],
    // Whatever listens there is not the forge.
    ["http://github.com:8080/o/r", "http://github.com:8080/o/r"],
    ["http://git.example.org/o/r", "http://git.example.org/o/r"],
  ])("asks %s by %s", (url, expected) => {
    expect(parseGitUrl(url).fetchUrl).toBe(expected);
  });

  test.each([
    "http://127.0.0.1:9?@git.example.org/o/r.git",
    "https://evil.example#@github.com/o/r",
    "https://evil.example:80#@github.com/o/r",
    "http://bot:8#x@127.0.0.1/o/r",
    "http://bot:x\\y@github.com/o/r",
    "http://github.com:99999/o/r",
    "ssh://evil.example?@github.com/o/r",
    "evil.example?@github.com:o/r",
  ])("refuses %j, whose host others read in another way", (url) => {
    expect(() => parseGitUrl(url)).toThrow(/^git URL/);
  });

  test.each([
    "file:///etc/passwd",
    "/etc/passwd",
    "../repo",
    "./repo",
    "C:\\repo",
    "--upload-pack=touch /tmp/x",
    "ext::sh -c touch",
    "ext::sh",
    "https://github.com/../../etc",
    "https://github.com/%2e%2e/%2e%2e/etc",
    "https://github.com/a/b%2f..%2fc",
    "https://github.com/a/b%00",
    "https://github.com/-a/b",
    "https://github.com/.a/b",
    "https://github.com/a/.",
    "https://github.com/a/.git",
    "https://github.com/a/...git",
    "https://github.com/a.git/b",
    "https://github.com/",
    "https:///a/b",
    "https://-host/a",
    "https://ho st/a",
    "https://github.com/a\nb",
    "javascript:alert(1)//",
    "",
  ])("refuses %j", (url) => {
    expect(() => parseGitUrl(url)).toThrow(/^git URL/);
  });

  test("shows no credentials in its errors", () => {
    expect(() => parseGitUrl("bot:secret@host:o/r.git")).toThrow(/^(?!.*secret)/s);
    expect(redactUrl("of hexpm:acme/pkg@2.0.0 and git@host:o/r")).toBe("of hexpm:acme/pkg@2.0.0 and git@host:o/r");
    expect(() => parseGitUrl("https://user:secret@host/../x")).toThrow(/^(?!.*secret)/s);
  });
});

test("normalisePath gives one spelling for one repository", () => {
  expect(["a/b", "/a/b/", "a//b.git", "a/b.git/"].map(normalisePath)).toEqual(["a/b", "a/b", "a/b", "a/b"]);
  expect(["", "/", "a/../b", "a/%zz", "a\\b", "a b", "x.git/config", "é"].map(normalisePath)).toEqual(
    Array.from({ length: 8 }, () => undefined),
  );
});

test.each([
  ["https://u:pa/ss@host/a", "https://host/a"],
  ["https://u:p@ss@host/a", "https://host/a"],
  ["https://host/a?private_token=x&y", "https://host/a"],
])("redactUrl leaves nothing of %s", (url, shown) => {
  expect(redactUrl(url)).toBe(shown);
});

test("redactUrl takes the user part out of every URL in a text", () => {
  expect(redactUrl("fatal: unable to access 'https://me:token@host/a': ssh://git@host/b")).toBe(
    "fatal: unable to access 'https://host/a': ssh://host/b",
  );
});

test.each([
  ["https://jdoe@bitbucket.org/o/r.git", { prefix: "https://jdoe@bitbucket.org/", host: "bitbucket.org" }],
  ["ssh://git@Git.Example:2222/o/r", { prefix: "ssh://git@Git.Example:2222/", host: "git.example" }],
  ["org-1@github.com:o/r.git", { prefix: "org-1@github.com:", host: "github.com" }],
  // What must not be printed: a password, a token in a user's place.
  ["https://jdoe:secret@github.com/o/r", undefined],
  ["https://ghp_0123456789abcdefghij0123456789abcdef@github.com/o/r", undefined],
  ["https://abcdefghij0123456789@github.com/o/r", undefined],
  ["/a/path", undefined],
  // What cannot be mirrored is no concern of a rule.
  ["https://dev.azure.com/o/My%20Project/_git/r", { prefix: "https://dev.azure.com/", host: "dev.azure.com" }],
])("the prefix of %s", (url, expected) => {
  expect(urlPrefix(url)).toEqual(expected);
});
