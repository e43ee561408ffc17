import { describe, expect, test } from "vitest";
import { firstForeign } from "../../src/git/foreign-settings.ts";

describe("the configuration of a bare repository", () => {
  test.each([
    ["what we write", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"],
    ["a hand-made clone's", '[remote "origin"]\r\n  url = https://github.com/o/r.git\r\n  fetch = +refs/*:refs/*\n'],
    ["settings for serving", "# for nginx\n[http]\n\treceivepack = false\n[uploadpack]\n\tallowAnySHA1InWant = true\n"],
    [
      "what tools and people add",
      '[lfs]\n\trepositoryformatversion = 0\n[gc]\n\tpruneExpire = never\n[maintenance "x"]\n\tenabled = 1\n',
    ],
    ["nothing", ""],
  ])("%s is plain", (_what, config) => {
    expect(firstForeign(config)).toBeUndefined();
  });

  test.each([
    ["[core]\n\tsshCommand = x\n", "core.sshCommand"],
    ['[CORE]\n\tAlternateRefsCommand = "x"\n', "core.AlternateRefsCommand"],
    ["[core]\n\thooksPath = /x\n", "core.hooksPath"],
    ["[include]\n\tpath = /x\n", "include.path"],
    ['[url "ssh://x/"]\n\tinsteadOf = https://github.com/\n', "url.ssh://x/.insteadOf"],
    ['[remote "https://github.com/o/r.git"]\n\turl = ext::x\n', "remote.https://github.com/o/r.git.url"],
    ['[remote "origin"]\n\tuploadpack = x\n', "remote.origin.uploadpack"],
    ["[extensions]\n\tpartialClone = origin\n", "extensions.partialClone"],
    // What git reads otherwise than it looks.
    ["[core] sshCommand = x\n", JSON.stringify("[core] sshCommand = x")],
    ["[core]\n\tbare = true \\\n", JSON.stringify("bare = true \\")],
    ["[core]\n\tbare = true\n[core.x\n", JSON.stringify("[core.x")],
  ])("%j is not", (config, setting) => {
    expect(firstForeign(config)).toBe(setting);
  });
});
