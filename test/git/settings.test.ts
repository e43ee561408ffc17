import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/git/config-file.ts";
import { judgeConfig } from "../../src/git/settings.ts";
import { temporaryFolder } from "../support/folder.ts";
import { gitEnvironment } from "../support/git.ts";

const old = { reftable: false };

describe("the configuration of a bare repository", () => {
  test.each([
    ["what we write", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"],
    ["a hand-made clone's", '[remote "origin"]\r\n  url = https://github.com/o/r.git\r\n  fetch = +refs/*:refs/*\n'],
    ["settings for serving", "# for nginx\n[http]\n\treceivepack = false\n[uploadpack]\n\tallowAnySHA1InWant = true\n"],
    [
      "what tools and people add",
      '[lfs]\n\trepositoryformatversion = 0\n[gc]\n\tpruneExpire = never\n[maintenance "x"]\n\tenabled = 1\n',
    ],
    [
      "what forges and their command lines leave",
      '[remote "my fork"]\n\tpushurl = "C:\\\\git\\\\r"\n\tpush = +refs/heads/*\n\tgh-resolved = base\n\tfollowRemoteHEAD = warn\n' +
        '[branch "a/b"]\n\tdescription = "what it is\\nfor; and why"\n[gitlab]\n\tfullpath = o/r\n[gitea "x"]\n\ta = 1\n',
    ],
    [
      "what people set for their disks and files",
      "[core]\n\tautocrlf = false\n\teol = lf\n\tlongPaths = true\n\tquotePath = off\n\tprotectNTFS = true\n\tfsyncMethod = batch\n",
    ],
    [
      "what is of use to a server",
      "[transfer]\n\tadvertiseSID = true\n[uploadpackfilter]\n\tallow = true\n[bundle]\n\tversion = 1\n[protocol]\n\tversion = 2\n" +
        "[receive]\n\tdenyNonFastForwards = true\n[user]\n\tname = O'Neill \\\\ Sons\n[http]\n\tproxy = http://p:3128\n\tsslVerify = false\n",
    ],
    ["sections and keys on one line", '[core] bare = true\n[remote "x"] url = y # a comment\n'],
    ["files that are taken for binary", '[diff "custom"]\n\tbinary = true\n'],
    ["a value on two lines", "[gitweb]\n\tdescription = one \\\n  two\n"],
    ["nothing", ""],
  ])("%s is honest", (_what, config) => {
    expect(judgeConfig(config, old)).toEqual({ refused: undefined, unsupported: undefined, unserved: undefined });
  });

  test.each([
    ["[core]\n\tsshCommand = x\n", "core.sshCommand"],
    ['[CORE]\n\tAlternateRefsCommand = "x"\n', "core.AlternateRefsCommand"],
    ["[core]\n\thooksPath = /x\n", "core.hooksPath"],
    ["[core] fsmonitor = x\n", "core.fsmonitor"],
    ["[core]\n\tworktree = /\n", "core.worktree"],
    ["[include]\n\tpath = /x\n", "include.path"],
    ['[includeIf "gitdir:/"]\n\tpath = /x\n', "includeif.gitdir:/.path"],
    ['[url "ssh://x/"]\n\tinsteadOf = https://github.com/\n', "url.ssh://x/.insteadOf"],
    ['[remote "origin"]\n\tuploadpack = x\n', "remote.origin.uploadpack"],
    ['[remote "origin"]\n\tvcs = x\n', "remote.origin.vcs"],
    ['[remote "origin"]\n\tproxy = x\n', "remote.origin.proxy"],
    ['[remote "origin"]\n\tpromisor = true\n', "remote.origin.promisor"],
    ["[extensions]\n\tpartialClone = origin\n", "extensions.partialClone"],
    ["[extensions]\n\tworktreeConfig = true\n", "extensions.worktreeConfig"],
    ["[uploadpack]\n\tpackObjectsHook = x\n", "uploadpack.packObjectsHook"],
    ["[gc]\n\trecentObjectsHook = x\n", "gc.recentObjectsHook"],
    ['[credential "https://x"]\n\thelper = x\n', "credential.https://x.helper"],
    ['[filter "x"]\n\tsmudge = x\n', "filter.x.smudge"],
    // What is read otherwise than it looks at first.
    ["[core] sshCommand = x\n", "core.sshCommand"],
    ["[core]\n\tbare = true \\\n[core]\n\tsshCommand = x\n", "core.sshCommand"],
    ['[gitweb]\n\tdescription = "a # b"\n[core]sshCommand=x', "core.sshCommand"],
  ])("%j is refused by its name", (config, setting) => {
    expect(judgeConfig(config, old).refused).toBe(`its config says ${setting}, which git would act upon`);
  });

  test.each(["[core\n\tbare = true\n", "bare = true\n", '[core]\n\tbare = "true\n', "[core]\n\tbare = \\x\n"])(
    "%j cannot be read, by git neither",
    (config) => {
      expect(judgeConfig(config, old).refused).toMatch(/^its config cannot be read: bad config line \d/);
    },
  );

  test("serving that is switched off is off; the last word counts", () => {
    const { unserved } = judgeConfig("[http]\n\tuploadpack = false\n", old);
    expect(unserved).toBe("its config says http.uploadpack = false");
    expect(judgeConfig("[http]\n\tuploadpack = no\n\tuploadpack\n", old).unserved).toBeUndefined();
  });

  test.each(["false", "no", "off", "0", "00", "-0", "0x0", "0k", '""'])("%s is false, as git reads it", (value) => {
    expect(judgeConfig(`[http]\n\tuploadpack = ${value}\n`, old).unserved).toBeDefined();
  });

  test("a reftable repository needs a git that can read it", () => {
    const config = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n";
    expect(judgeConfig(config, old).unsupported).toContain("needs git 2.45");
    expect(judgeConfig(config, { reftable: true }).unsupported).toBeUndefined();
  });
});

test.each([
  '[core]\n\tbare = true\n[remote "a \\"b\\" \\\\c"]\n\turl = "x # y" ; z\n\tfetch = a  b\t\n',
  "[a.B]\n\tc = 1\n[ d ]\n",
  "[a]\n\tb\n\tc=\n\td = \\\n  e \\\n f\n",
  '[a "b"]\n\tk = "one\\ttwo\\nthree\\\\" four "five"\n',
  "\uFEFF[a]\r\n\tb = c\r\n; comment\r\n[x]y=z#w\n",
  '[branch "we ird/na#me"]\n\tdescription = a;b\n',
  '[a]\n\tb = "unclosed\n',
  "[a]\n\t1b = c\n",
  "[a]\n\tb c\n",
  "[a]\n\tb # c\n",
  "[a]\n\tb;c\n",
  "[a]\n\tb =\rfalse\n",
])("%j is read as git reads it", async (config) => {
  const file = join(await temporaryFolder(), "config");
  await writeFile(file, config);
  expect(read(config)).toEqual(readByGit(file));
});

/** `name=value` each; undefined where it cannot be read. */
function read(config: string): string[] | undefined {
  try {
    return parseConfig(config).map(({ name, value }) => (value === undefined ? name : `${name}\n${value}`));
  } catch {
    return undefined;
  }
}

function readByGit(file: string): string[] | undefined {
  try {
    const args = ["config", "--file", file, "--list", "-z"];
    const text = execFileSync("git", args, { env: gitEnvironment, stdio: ["ignore", "pipe", "ignore"] }).toString();
    return text.split("\0").slice(0, -1);
  } catch {
    return undefined;
  }
}
