import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { isInstalled } from "../support/clients.ts";
import { formatVariables } from "../../src/clients/formats.ts";
import {
  environmentWith,
  containerVariables,
  clientVariables,
  revertedVariables,
  usersEnvironment,
  changeTo,
  type ClientSetup,
} from "../../src/clients/variables.ts";
import { gitRules, gitSettings } from "../../src/clients/git-rules.ts";
import { noSettings } from "../../src/git/users-settings.ts";
import { gitEnvironment } from "../support/git.ts";

const gitHosts = ["github.com", "gitlab.example.org"];
const gitPrefixes = [
  { prefix: "https://jdoe@github.com/", host: "github.com" },
  { prefix: "ssh://git@gitlab.example.org:2222/", host: "gitlab.example.org" },
  { prefix: "org-1@github.com:", host: "github.com" },
];

function setupAt(url: string): ClientSetup {
  const rules = gitRules({ url, gitHosts, gitPrefixes, users: noSettings, isHermetic: false });
  return {
    url,
    gitSettings: [...rules, ...gitSettings({ url, gitCredentials: undefined })],
    gitSystem: "/dev/null",
    quietHome: "/cache/quiet",
    hexHome: "/cache/hex",
    rebarHome: "/cache/rebar3",
    rebarCache: "/cache/rebar3-cache",
    hasUrlInFiles: false,
    caches: {},
    caBundle: "/cache/ca-bundle.pem",
    ca: "/certs/ca.pem",
    gitUnverified: [],
    proxy: undefined,
    hosts: ["github.com", "git.corp.example"],
    policy: undefined,
    netrc: undefined,
  };
}

const setup = setupAt("http://127.0.0.1:8000");

describe("git, with these variables, asks the mirror for", () => {
  test.each([
    ["https://github.com/o/r.git", "http://127.0.0.1:8000/github.com/o/r.git"],
    ["http://github.com/o/r", "http://127.0.0.1:8000/github.com/o/r"],
    ["git://github.com/o/r", "http://127.0.0.1:8000/github.com/o/r"],
    ["ssh://git@github.com/o/r.git", "http://127.0.0.1:8000/github.com/o/r.git"],
    ["ssh://gitlab.example.org/g/s/p", "http://127.0.0.1:8000/gitlab.example.org/g/s/p"],
    ["git@github.com:o/r.git", "http://127.0.0.1:8000/github.com/o/r.git"],
    ["https://jdoe@github.com/o/r.git", "http://127.0.0.1:8000/github.com/o/r.git"],
    ["ssh://git@gitlab.example.org:2222/g/p", "http://127.0.0.1:8000/gitlab.example.org/g/p"],
    ["org-1@github.com:o/r.git", "http://127.0.0.1:8000/github.com/o/r.git"],
    // Others are left alone.
    ["https://gitlab.com/o/r", "https://gitlab.com/o/r"],
    ["https://github.com.evil.example/o/r", "https://github.com.evil.example/o/r"],
  ])("%s", (url, expected) => {
    const env = { ...gitEnvironment, ...clientVariables(setup, {}) };
    const asked = execFileSync("git", ["ls-remote", "--get-url", url], { env, encoding: "utf8" });
    expect(asked.trim()).toBe(expected);
  });
});

describe("what was there before", () => {
  const before = {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.editor",
    GIT_CONFIG_VALUE_0: "vi",
    HEX_HOME: "/home/me/hex",
    GIT_SSL_CAINFO: "/etc/corp.pem",
    HTTPS_PROXY: "http://proxy:3128",
    NO_PROXY: "corp.example",
  };

  test("of git's configuration and of hosts without proxy stays, and comes once however often it is added", () => {
    const once = { ...before, ...clientVariables(setup, before) };
    expect(once).toMatchObject({
      MIRROR_SERVER_ACTIVE: setup.url,
      GIT_CONFIG_KEY_0: "core.editor",
      NO_PROXY: "corp.example,127.0.0.1",
      no_proxy: "corp.example,127.0.0.1",
      HEX_OFFLINE: "0",
    });
    expect({ ...once, ...clientVariables(setup, once) }).toEqual(once);
  });

  test("is what the user's own environment is taken for", () => {
    const during = { ...before, ...clientVariables(setup, before) };
    expect(usersEnvironment(during)).toEqual(before);
    expect(usersEnvironment(before)).toEqual(before);
  });

  test("is there again after --revert, and nothing of ours is", () => {
    const during: Record<string, string> = { ...before, ...clientVariables(setup, before) };
    const { unset, set } = revertedVariables(during);
    for (const name of unset) delete during[name];
    expect({ ...during, ...set }).toEqual(before);
  });

  test("a second mirror takes the place of the first, and --revert still leads back to the start", () => {
    const first = { ...before, ...clientVariables(setup, before) };
    const second: Record<string, string> = { ...first, ...clientVariables(setupAt("http://other:1"), first) };
    expect(Object.values(second).filter((value) => value.includes("127.0.0.1:8000"))).toEqual([]);
    const { unset, set } = revertedVariables(second);
    for (const name of unset) delete second[name];
    expect({ ...second, ...set }).toEqual(before);
  });

  test("what only the second mirror sets is put back too", () => {
    const own = { GIT_SSL_CAINFO: "/corp.pem", NODE_EXTRA_CA_CERTS: "/corp.pem" };
    const first = { ...own, ...clientVariables({ ...setup, caBundle: undefined, ca: undefined }, own) };
    const second: Record<string, string> = { ...first, ...clientVariables(setup, first) };
    const { unset, set } = revertedVariables(second);
    for (const name of unset) delete second[name];
    expect({ ...second, ...set }).toEqual(own);
  });

  test("keys for hex.pm are taken out and put back, and never printed", () => {
    const own = { HEX_API_KEY: "s3cret", HEX_MIRROR_URL: "http://other" };
    const change = changeTo(clientVariables(setup, own), own);
    expect(change).toMatchObject({ unset: ["HEX_MIRROR_URL", "HEX_API_KEY"] });
    expect(change.set).toMatchObject({ HEX_MIRROR: setup.url, HEX_TRUSTED_MIRROR: setup.url });
    for (const format of ["sh", "docker", "json"] as const) {
      expect(formatVariables(format, change, false)).not.toContain("s3cret");
    }
    const there = formatVariables("sh", change, false);
    const enter = { ...own, PATH: process.env["PATH"] ?? "" };
    const during = execFileSync("sh", ["-c", `${there}\nenv`], { env: enter, encoding: "utf8" });
    expect(during).not.toMatch(/^HEX_API_KEY=|^HEX_MIRROR_URL=/m);
    const present = Object.fromEntries(
      during.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
    expect(usersEnvironment(present)).toMatchObject(own);
    // Twice is as once.
    expect(JSON.stringify(changeTo(clientVariables(setup, present), present))).not.toContain("s3cret");
    const back = formatVariables("sh", revertedVariables(present), true);
    expect(back).not.toContain("s3cret");
    const after = execFileSync("sh", ["-c", `${there}\n${back}\nenv`], { env: enter, encoding: "utf8" });
    expect(after).toMatch(/^HEX_API_KEY=s3cret$/m);
    expect(after).toMatch(/^HEX_MIRROR_URL=http:\/\/other$/m);
    expect(after).not.toContain("MIRROR_SERVER_");
  });

  test("where files say the URL, the environment must not: rebar3 would take it for every repository", () => {
    const own = { HEX_MIRROR: "http://other" };
    const change = changeTo(clientVariables({ ...setup, hasUrlInFiles: true }, own), own);
    expect(change.set).not.toHaveProperty("HEX_MIRROR");
    expect(change.unset).toEqual(["HEX_MIRROR"]);
  });

  test("where nothing was set, there is nothing to take back", () => {
    expect(revertedVariables(before)).toEqual({ unset: [], set: {}, moved: [] });
  });

  test("a proxy that rebar3 would ask for the mirror goes by its other name, and is never printed", () => {
    const own = { http_proxy: "http://me:s3cret@proxy:3128", no_proxy: "corp.example" };
    const change = changeTo(clientVariables(setup, own), own);
    expect(environmentWith(change, own)).toMatchObject({ http_proxy: "", HTTP_PROXY: own.http_proxy });
    const during = environmentWith(change, own);
    expect(usersEnvironment(during)).toEqual(own);
    expect(environmentWith(changeTo(clientVariables(setup, during), during), during)).toEqual(during);
    const there = formatVariables("sh", change, false);
    const back = formatVariables("sh", revertedVariables(during), true);
    for (const text of [there, back]) expect(text).not.toContain("s3cret");
    const enter = { ...own, PATH: process.env["PATH"] ?? "" };
    const after = execFileSync("sh", ["-c", `${there}\n${back}\nenv`], { env: enter, encoding: "utf8" });
    expect(after).toContain(`http_proxy=${own.http_proxy}\n`);
    expect(after).not.toContain("HTTP_PROXY=");
  });

  test("what git may go by gets the mirror's way, and gives it back", () => {
    const own = { GIT_ALLOW_PROTOCOL: "ssh", GIT_CONFIG_NOSYSTEM: "1" };
    const during = environmentWith(changeTo(clientVariables(setup, own), own), own);
    expect(during).toMatchObject({ GIT_ALLOW_PROTOCOL: "ssh:http", GIT_CONFIG_NOSYSTEM: "0" });
    expect(usersEnvironment(during)).toEqual(own);
  });

  test("without the user's own proxy stay those that the mirror does not stand in for, beside a command's proxy", () => {
    const proxy = { url: "http://x:y@127.0.0.1:9", isRefusing: false };
    const during = (NO_PROXY: string) => clientVariables({ ...setup, proxy }, { NO_PROXY, HTTP_PROXY: "http://p:1" });
    expect(during("localhost,.corp.example,.lan,github.com:443")).toMatchObject({
      HTTPS_PROXY: proxy.url,
      NO_PROXY: "localhost,.lan,127.0.0.1",
    });
    expect(during("*")).toMatchObject({ NO_PROXY: "127.0.0.1", HTTP_PROXY: "" });
  });

  test("all hosts without proxy stay all, and an address is written in both ways", () => {
    expect(clientVariables(setup, { NO_PROXY: "*" })).toMatchObject({ NO_PROXY: "*", no_proxy: "*" });
    expect(clientVariables(setupAt("http://[::1]:8000"), {})).toMatchObject({ no_proxy: "[::1],::1" });
  });

  test("where nothing but the mirror may be reached, all proxies are the one that refuses", () => {
    const own = { HTTPS_PROXY: "http://proxy:1", NO_PROXY: ".corp.example", GIT_ALLOW_PROTOCOL: "https:ssh" };
    const during = clientVariables({ ...setup, proxy: { url: "http://127.0.0.1:9", isRefusing: true } }, own);
    expect(during).toMatchObject({
      HTTPS_PROXY: "http://127.0.0.1:9",
      all_proxy: "http://127.0.0.1:9",
      NO_PROXY: "127.0.0.1,localhost,::1",
      GIT_ALLOW_PROTOCOL: "http:file",
      CURL_HOME: "/cache/quiet",
    });
  });
});

describe("as text", () => {
  const set = { A: "it's", B: "two words" };

  test("sh", () => {
    const text = formatVariables("sh", { set, unset: ["C", "D"], moved: [] }, false);
    expect(text).toBe("unset C D\nexport A='it'\\''s'\nexport B='two words'");
    const script = `C=1; ${text}; printf '%s|%s|%s' "$A" "$B" "\${C-none}"`;
    expect(execFileSync("sh", ["-c", script], { encoding: "utf8" })).toBe("it's|two words|none");
  });

  test("docker, github-actions, json", () => {
    const plain = { set, unset: [], moved: [] };
    expect(formatVariables("docker", plain, false)).toBe("A=it's\nB=two words");
    expect(formatVariables("github-actions", plain, false)).toBe("A=it's\nB=two words");
    expect(JSON.parse(formatVariables("json", plain, false))).toEqual(set);
    // What is in the way in this shell is not there in a container, and would be in the next step of a job.
    const less = { set, unset: ["C"], moved: [] };
    expect(formatVariables("docker", less, false)).toBe("A=it's\nB=two words");
    expect(() => formatVariables("github-actions", less, false)).toThrow(/github-actions knows no way to unset C;/);
    expect(JSON.parse(formatVariables("json", less, false))).toEqual({ ...set, C: null });
    expect(() => formatVariables("github-actions", less, true)).toThrow(/knows no way to unset C;/);
    for (const format of ["docker", "container"] as const) {
      expect(formatVariables(format, less, true)).toMatch(/^# containers begin without/);
    }
    expect(JSON.parse(formatVariables("json", less, true))).toEqual({ set, unset: ["C"] });
  });

  test("fish, as fish reads it", () => {
    const awkward = { A: "it's \\ $HOME\nline", B: "two words" };
    const text = formatVariables("fish", { set: awkward, unset: ["C"], moved: [{ from: "C", to: "D" }] }, false);
    expect(text).toBe(
      "set -gx D $C\nset -eg C\nfor name in C; set -q $name; and echo \"mirror-server: $name is set for all of fish (set -U), and still counts\" >&2; end\nset -gx A 'it\\'s \\\\ $HOME\nline'\nset -gx B 'two words'",
    );
    const script = `set -gx C 1\n${text}\nprintf '%s|%s|%s|%s' $A $B "$C" $D`;
    if (!isInstalled("fish", "--version")) return;
    expect(execFileSync("fish", ["-c", script], { encoding: "utf8" })).toBe(`${awkward.A}|two words||1`);
  });

  test("powershell", () => {
    const text = formatVariables(
      "powershell",
      { set: { A: "it's ’$x" }, unset: ["C"], moved: [{ from: "C", to: "D" }] },
      false,
    );
    expect(text).toBe("$env:D = $env:C\nRemove-Item -ErrorAction SilentlyContinue Env:C\n$env:A = 'it''s ’’$x'");
  });

  test("gitlab, as YAML, in which GitLab finds no variable", () => {
    const text = formatVariables("gitlab", { set: { A: 'x "$Y"' }, unset: ["C"], moved: [] }, false);
    expect(parse(text)).toEqual({ variables: { A: 'x "$$Y"' } });
    expect(parse(formatVariables("gitlab", { set: {}, unset: ["A"], moved: [] }, true))).toEqual({ variables: {} });
  });

  test("for containers no path of this machine, and records as upstream signed them", () => {
    const url = "http://host.docker.internal:8000";
    const rules = gitRules({ url, gitHosts, gitPrefixes, users: noSettings, isHermetic: false });
    const variables = containerVariables(url, rules);
    expect(variables).toMatchObject({ HEX_MIRROR: `${url}/repo.hex.pm`, HEX_CDN: `${url}/repo.hex.pm` });
    expect(Object.values(variables).filter((value) => value.startsWith("/"))).toEqual([]);
  });

  test("a value that would end its line is refused", () => {
    expect(() => formatVariables("docker", { set: { A: "x\nB=y" }, unset: [], moved: [] }, false)).toThrow(
      /A holds a line break/,
    );
  });
});
