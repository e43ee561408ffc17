/** Real git, with rules of the user's in its files: where does it go? */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  rivalRules,
  gitRules,
  gitSettings,
  isOurSetting,
  repositoryRules,
  systemConfig,
} from "../../src/clients/git-rules.ts";
import { gitConfigVariables } from "../../src/git/config-variables.ts";
import { parseConfig } from "../../src/git/config-file.ts";
import { readUsersGit } from "../../src/git/users-settings.ts";
import { temporaryFolder } from "../support/folder.ts";

const url = "http://127.0.0.1:8000";
const path = process.env["PATH"] ?? "";

interface Home {
  readonly global?: string;
  readonly system?: string;
  readonly isHermetic?: boolean;
  readonly isOldGit?: boolean;
}

/** An environment with the mirror's rules, in a home with the user's. */
async function environment({ global = "", system, isHermetic = false, isOldGit = false }: Home) {
  const home = await temporaryFolder();
  await writeFile(join(home, ".gitconfig"), global);
  if (system !== undefined) await writeFile(join(home, "system"), system);
  const env = {
    PATH: path,
    HOME: home,
    ...(system === undefined ? { GIT_CONFIG_NOSYSTEM: "1" } : { GIT_CONFIG_SYSTEM: join(home, "system") }),
  };
  const users = await readUsersGit({ env, cwd: home });
  const setup = { url, gitHosts: ["github.com"], gitPrefixes: [], users, isHermetic };
  const rules = gitRules(setup);
  await writeFile(join(home, "ours"), systemConfig(rules, users));
  const more = isOldGit ? repositoryRules(setup, ["github.com/o/r", "github.com/elsewhere/x"]) : [];
  const numbered = gitConfigVariables({}, [...rules, ...more, ...gitSettings({ url, gitCredentials: undefined })]);
  const file = isOldGit ? {} : { GIT_CONFIG_SYSTEM: join(home, "ours"), GIT_CONFIG_NOSYSTEM: "0" };
  return { env: { ...env, ...numbered, ...file }, cwd: home, setup };
}

async function asked(where: Home, address: string): Promise<string> {
  const { env, cwd } = await environment(where);
  return execFileSync("git", ["ls-remote", "--get-url", address], { env, cwd, encoding: "utf8" }).trim();
}

const rule = (to: string, from: string) => `[url "${to}"]\n\tinsteadOf = ${from}\n`;
const usual = [
  rule("git@github.com:", "https://github.com/"),
  rule("ssh://git@github.com/", "https://github.com/"),
  rule("https://x-access-token:T@github.com/", "https://github.com/"),
  rule("git@github.com:o/", "https://github.com/o/"),
  rule("git@github.com:o/r", "https://github.com/o/r"),
  rule("git@github.com:o/r.git", "https://github.com/o/r.git"),
  rule("https://ghp.example.invalid/https://github.com/", "https://github.com/"),
  rule("https://proxy.example.invalid/", "https://"),
  rule("https://github.com/", "git@github.com:"),
  rule("https://elsewhere.example.invalid/", "ssh://git@github.com/o/"),
];

describe("a rule of the user's, in its own file or the system's, does not lead past the mirror:", () => {
  test.each(usual)("%j", async (text) => {
    for (const address of [
      "https://github.com/o/r.git",
      "https://github.com/o/r",
      "git@github.com:o/r.git",
      "ssh://git@github.com/o/r",
    ]) {
      const rest = address.endsWith(".git") ? "r.git" : "r";
      expect(await asked({ global: text }, address)).toBe(`${url}/github.com/o/${rest}`);
      expect(await asked({ system: text }, address)).toBe(`${url}/github.com/o/${rest}`);
    }
  });

  test("names of the user's own for what is mirrored lead to the mirror as well", async () => {
    const global = rule("https://github.com/", "gh:") + rule("git@github.com:corp/", "corp:");
    expect(await asked({ global }, "gh:o/r")).toBe(`${url}/github.com/o/r`);
    expect(await asked({ global }, "corp:r")).toBe(`${url}/github.com/corp/r`);
  });

  test("what is not mirrored goes where the user wants it", async () => {
    const global = rule("git@gitlab.com:", "https://gitlab.com/");
    expect(await asked({ global }, "https://gitlab.com/o/r")).toBe("git@gitlab.com:o/r");
  });
});

test("what the system's file says besides still holds", async () => {
  const { env, cwd } = await environment({ system: '[user]\n\tname = "Some, Body"\n[core]\n\tabbrev = 11\n' });
  const get = (name: string) => execFileSync("git", ["config", "--get", name], { env, cwd, encoding: "utf8" }).trim();
  expect([get("user.name"), get("core.abbrev")]).toEqual(["Some, Body", "11"]);
});

describe("git before 2.32, which reads the user's files first,", () => {
  test.each(usual.slice(0, 4))("asks the mirror for what it holds: %j", async (text) => {
    for (const address of ["https://github.com/o/r.git", "https://github.com/o/r"]) {
      expect(await asked({ global: text, isOldGit: true }, address)).toMatch(`${url}/github.com/o/r`);
    }
  });
});

describe("where nothing but the mirror may be reached", () => {
  test.each([
    ["https://other.example/x/y", `${url}/other.example/x/y`],
    ["ssh://git@other.example/x/y", `${url}/other.example/x/y`],
    ["git://other.example/x/y", `${url}/other.example/x/y`],
    [`${url}/github.com/o/r`, `${url}/github.com/o/r`],
    ["own:x", `${url}/own.example/x`],
    ["https://ruled.example/x", `${url}/ruled.example/x`],
  ])("%s", async (address, expected) => {
    const global = rule("https://own.example/", "own:") + rule("http://elsewhere.example/", "https://ruled.example/");
    expect(await asked({ global, isHermetic: true }, address)).toBe(expected);
  });
});

test("each of our settings is known for ours, and none of the user's is", async () => {
  const { setup } = await environment({ global: usual.join("") });
  expect(rivalRules(setup).length).toBeGreaterThan(5);
  const ours = [...gitRules(setup), ...gitSettings({ url, gitCredentials: "/x" })];
  expect(ours.filter(([key, value]) => !isOurSetting(key, value, url))).toEqual([]);
  const theirs = [
    "url.git@github.com:.insteadOf",
    "protocol.http.allow",
    "http.proxy",
    "http.http://127.0.0.1:80/.proxy",
  ];
  expect(theirs.filter((key) => isOurSetting(key, "always", url))).toEqual([]);
  const written = parseConfig(systemConfig(ours, setup.users)).map(({ name, value }) => [name.toLowerCase(), value]);
  expect(written).toEqual(ours.map(([key, value]) => [key.toLowerCase(), value]));
});
