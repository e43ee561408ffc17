import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../src/config.ts";
import { flagName, options, variableOf, type Option, type OptionKey } from "../src/options.ts";
import { temporaryFolder } from "./support/folder.ts";

const load = (flags: Record<string, unknown>, environment: Record<string, string> = {}, cwd = "/home/me/app") =>
  loadConfig({ flags, environment: { HOME: "/home/me", ...environment }, cwd });

test("defaults", () => {
  expect(load({})).toMatchObject({
    mirror: "/home/me/app/.mirror",
    hexDir: "/home/me/app/.mirror/hex",
    gitDir: "/home/me/app/.mirror/git",
    privateKey: "/home/me/app/.mirror/private_key.pem",
    certsDir: "/home/me/app/certs",
    host: "127.0.0.1",
    port: 8000,
    tlsPort: 8443,
    hexUrl: "https://repo.hex.pm",
    hexPublicKey: undefined,
  });
});

describe("the strongest source wins", () => {
  test("flag, then environment, then file, then default", async () => {
    const cwd = await temporaryFolder();
    await writeFile(
      join(cwd, "mirror.config.json"),
      JSON.stringify({ port: 1, tlsPort: 2, host: "file", mirror: "m" }),
    );
    const config = load({ port: "3" }, { MIRROR_PORT: "4", MIRROR_TLS_PORT: "5" }, cwd);
    expect(config).toMatchObject({ port: 3, tlsPort: 5, host: "file", mirror: join(cwd, "m") });
  });

  test("paths in a file count from the file, others from the working folder", async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, "c.json"), JSON.stringify({ hexDir: "sub/hex" }));
    expect(load({ config: join(dir, "c.json"), gitDir: "repos" })).toMatchObject({
      hexDir: join(dir, "sub/hex"),
      gitDir: "/home/me/app/repos",
    });
  });

  test("an empty variable counts as unset, --no-tls as a choice", () => {
    expect(load({ tls: false }, { MIRROR_PORT: "" })).toMatchObject({ port: 8000, tlsPort: undefined });
    expect(load({}, { MIRROR_TLS: "false" }).tlsPort).toBeUndefined();
  });
});

test("service variables that an orchestrator injects are passed over with a warning", () => {
  const config = load({}, { MIRROR_PORT: "tcp://10.0.0.1:80" });
  expect(config.port).toBe(8000);
  expect(config.warnings).toEqual([expect.stringContaining("MIRROR_PORT=tcp://10.0.0.1:80 is ignored")]);
});

test("proxies are taken from the environment in either case", () => {
  expect(load({}, { ALL_PROXY: "http://p:1", HTTPS_PROXY: "http://q:2" }).proxy).toEqual({
    httpProxy: "http://p:1",
    httpsProxy: "http://q:2",
  });
  expect(load({}, { all_proxy: "socks5h://p:1" }).proxy).toEqual({});
  expect(load({}, { http_proxy: "proxy.corp:3128" }).proxy).toEqual({ httpProxy: "http://proxy.corp:3128" });
  expect(load({}, { https_proxy: "http://p:1", NO_PROXY: "localhost" }).proxy).toEqual({
    httpsProxy: "http://p:1",
    noProxy: "localhost",
  });
});

describe("bad values name the option, where it was set, and what is allowed", () => {
  test.each([
    [{ port: "http" }, {}, '--port <number>: "http" is not allowed; give a number from 0 to 65535'],
    [{}, { MIRROR_CONCURRENCY: "0" }, 'MIRROR_CONCURRENCY: "0" is not allowed; give a number from 1 to 64'],
    [{ tlsPort: "" }, {}, '--tls-port <number>: "" is not allowed; give a number from 0 to 65535'],
    [{ hexUrl: "notaurl" }, {}, '--hex-url <url>: "notaurl" is not allowed; give an http or https URL'],
    [{ hexUrl: "ftp://x" }, {}, '--hex-url <url>: "ftp://x" is not allowed; give an http or https URL'],
    [{}, { MIRROR_LOG_LEVEL: "loud" }, "give trace, debug, info, warn, error, fatal or silent"],
    [{ name: "a b" }, {}, "give host names, separated by commas"],
    [{ lockName: "../x" }, {}, "give letters, digits, ., _ and -"],
  ])("%j %j", (flags, environment, message) => {
    expect(() => load(flags, environment)).toThrow(message);
  });

  test.each([
    ["not json", /is not JSON/],
    ["[]", /must hold one JSON object/],
    ['{"prot": 1}', /unknown option "prot"; did you mean "port"\?/],
    ['{"port": "x"}', /"port" in .*mirror\.config\.json: "x" is not allowed/],
    ['{"policy": {"cooldwn": "7d"}}', /"policy" in .*: Unrecognized key: "cooldwn"; give what docs\/guides\/policies/],
    [
      '{"policy": {"deny": [{"package": "a"}]}}',
      /"policy" in .*: deny\.0\.reason: .*; give what docs\/guides\/policies/,
    ],
  ])("in a file: %s", async (content, message) => {
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, "mirror.config.json"), content);
    expect(() => load({}, {}, cwd)).toThrow(message);
  });

  test("a configuration file that was asked for must be there", () => {
    expect(() => load({ config: "/nowhere.json" })).toThrow("cannot read the configuration file /nowhere.json");
  });
});

describe("what counts once is a flag and nothing else", () => {
  const once = Object.entries<Option>(options).filter(([, { scope }]) => scope === "command");
  test.each(once.map(([key, option]) => [key, flagName(option)] as const))("%s", async (key, flag) => {
    const message = `that counts once, and is said each time; take it out, and give ${flag}`;
    const variable = variableOf(key as OptionKey);
    expect(() => load({}, { [variable]: "true" })).toThrow(`${variable}: ${message}`);
    expect(() => load({}, { [variable]: "" })).not.toThrow();
    for (const value of [true, false, null]) {
      const cwd = await temporaryFolder();
      const file = join(cwd, "mirror.config.json");
      await writeFile(file, JSON.stringify({ [key]: value }));
      expect(() => load({}, {}, cwd)).toThrow(`"${key}" in ${file}: ${message}`);
      expect(() => load({ config: file })).toThrow(message);
    }
  });
});

test("variables that are no options are told once, but for tokens, services of that name and our own", () => {
  const others = {
    MIRROR_TOKEN_ACME: "x",
    MIRROR_SERVICE_HOST: "10.0.0.1",
    MIRROR_PORT_80_TCP: "tcp://10.0.0.1:80",
    MIRROR_NAME: "/app/mirror",
    MIRROR_ENV_NODE_VERSION: "24",
    MIRROR_SERVER_ACTIVE: "http://x",
    MIRROR_CONFIG: "",
  };
  const { warnings } = load({}, { ...others, MIRROR_PRIVTE_KEY: "k", MIRROR_FILES: "[]", MIRROR_PORT: "1" });
  expect(warnings).toEqual([
    "MIRROR_FILES, MIRROR_PRIVTE_KEY are no options of mirror-server, and not used; did you mean MIRROR_PRIVATE_KEY?",
    "MIRROR_NAME=/app/mirror is ignored: an orchestrator sets such variables for services",
  ]);
});
