import { execFile } from "node:child_process";
import { createServer } from "node:https";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { chmod, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";
import { mayVouchFor } from "../../src/tls/name-constraints.ts";
import { identityProblem } from "../../src/tls/live-identity.ts";
import { loadServerIdentity, renewServerIdentity } from "../../src/tls/certs-folder.ts";
import { readOwnIdentity } from "../../src/tls/server-identity.ts";
import { isInstalled } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";

const run = promisify(execFile);
const now = new Date();
const authority = makeAuthority(["localhost", "127.0.0.1", "::1", "app_deps", "github.com", "192.168.7.9"], now);
const hosts = ["localhost", "127.0.0.1", "::1", "app_deps", "github.com"];
const server = makeServerCertificate(authority, hosts, now);

async function listen(pair: { key: string; cert: string }): Promise<number> {
  const listener = createServer(pair, (_, response) => response.end("hello"));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void listener.close());
  return (listener.address() as AddressInfo).port;
}

async function files(): Promise<{ ca: string; dir: string }> {
  const dir = await temporaryFolder();
  await writeFile(join(dir, "ca.pem"), authority.cert);
  return { ca: join(dir, "ca.pem"), dir };
}

/** One by OpenSSL, with what it may vouch for as OpenSSL writes it; undefined: anything. */
async function foreignAuthority(dir: string, constraints: string | undefined): Promise<{ cert: string; key: string }> {
  const [key, cert] = [join(dir, "foreign.key"), join(dir, "foreign.pem")];
  const extension = constraints === undefined ? [] : ["-addext", `nameConstraints=${constraints}`];
  await run("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    key,
    "-out",
    cert,
    "-days",
    "30",
    "-subj",
    "/CN=foreign",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    ...extension,
  ]);
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}

describe("an authority in the certs folder is refused", () => {
  const load = async (dir: string) => loadServerIdentity(dir, hosts);

  test.each([
    ["without constraints", undefined],
    ["with constraints that clients may pass over", "permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0"],
    ["that may vouch for any address", "critical,permitted;DNS:localhost,permitted;IP:0.0.0.0/0.0.0.0"],
    ["of which no address is a matter", "critical,permitted;DNS:localhost"],
    ["that only leaves something out", "critical,excluded;DNS:bank.example"],
  ])("%s, and a new one takes its place when asked for", async (_, constraints) => {
    const dir = await temporaryFolder();
    const { cert, key } = await foreignAuthority(dir, constraints);
    await Promise.all([writeFile(join(dir, "ca.pem"), cert), writeFile(join(dir, "ca.key"), key, { mode: 0o600 })]);
    await expect(load(dir)).rejects.toThrow(/no critical name constraints; run "mirror-server certs renew --new-ca"/);
    await renewServerIdentity(dir, hosts, true);
    expect((await load(dir)).caCertificate).not.toBe(cert);
  });

  test("that may vouch for any name, as an empty one stands for all", async () => {
    const dir = await temporaryFolder();
    const { cert, key } = makeAuthority(["", "127.0.0.1"], now);
    await Promise.all([writeFile(join(dir, "ca.pem"), cert), writeFile(join(dir, "ca.key"), key, { mode: 0o600 })]);
    await expect(load(dir)).rejects.toThrow("no critical name constraints");
  });

  test("beside ours in one file, since clients trust both", async () => {
    const dir = await temporaryFolder();
    const ours = await load(dir);
    const { cert } = await foreignAuthority(dir, undefined);
    await writeFile(join(dir, "ca.pem"), `${ours.caCertificate}${cert}`);
    await expect(load(dir)).rejects.toThrow("no critical name constraints");
  });

  test("whose key others may write, or git keeps; one that they may read becomes the owner's alone", async () => {
    const dir = await temporaryFolder();
    await load(dir);
    await chmod(join(dir, "ca.key"), 0o644);
    expect((await load(dir)).warnings).toEqual([]);
    expect((await stat(join(dir, "ca.key"))).mode & 0o777).toBe(0o600);
    await chmod(join(dir, "ca.key"), 0o620);
    await expect(load(dir)).rejects.toThrow("may be written by others");
    await chmod(join(dir, "ca.key"), 0o600);
    const isTracked = async (path: string) => path === join(dir, "ca.key");
    await expect(loadServerIdentity(dir, hosts, { isTracked })).rejects.toThrow("is kept by git");
  });
});

describe("a chain of ours is accepted by", () => {
  test.each(["localhost", "github.com", "app_deps"])("curl, for %s", async (name) => {
    const port = await listen(server);
    const { ca } = await files();
    const resolve = `${name}:${port}:127.0.0.1`;
    const { stdout } = await run("curl", [
      "-sS",
      "--noproxy",
      "*",
      "--cacert",
      ca,
      "--resolve",
      resolve,
      `https://${name}:${port}/`,
    ]);
    expect(stdout).toBe("hello");
  });

  test.each(["localhost", "github.com"])("Node, for %s", async (servername) => {
    const port = await listen(server);
    const status = await new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, servername, ca: authority.cert }, (answer) => resolve(answer.statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).toBe(200);
  });

  test.skipIf(!isInstalled("erl", "-noshell", "-eval", "halt()."))("Erlang, as Hex and rebar3 use it", async () => {
    const port = await listen(server);
    const { ca, dir } = await files();
    const get = async (name: string) => {
      const script = `
        ssl:start(),
        Match = public_key:pkix_verify_hostname_match_fun(https),
        Options = [{verify, verify_peer}, {cacertfile, "${ca}"}, {server_name_indication, "${name}"}, {depth, 4},
          {customize_hostname_check, [{match_fun, Match}]}, {versions, ['tlsv1.2']}],
        case ssl:connect("127.0.0.1", ${port}, Options, 5000) of
          {ok, _} -> io:format("accepted"); {error, Why} -> io:format("~p", [Why])
        end, halt().`;
      const env = { PATH: process.env["PATH"], HOME: dir, LANG: "C.UTF-8" };
      return (await run("erl", ["-noshell", "-eval", script.replace(/\s+/g, " ")], { env, cwd: dir })).stdout;
    };
    expect(await get("github.com")).toBe("accepted");
    expect(await get("repo.hex.pm")).toMatch(/hostname_check_failed/);
  });

  test("git, for github.com", async () => {
    const port = await listen(server);
    const { ca, dir } = await files();
    const env = { PATH: process.env["PATH"], HOME: dir, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };
    const clone = async (name: string) => {
      const config = ["-c", `http.curloptResolve=${name}:${port}:127.0.0.1`, "-c", `http.sslCAInfo=${ca}`];
      return run("git", [...config, "ls-remote", `https://${name}:${port}/a/b`], { env, cwd: dir });
    };
    // Through TLS, and then "hello" lists no refs.
    expect(await clone("github.com")).toMatchObject({ stdout: "" });
    await expect(clone("gitlab.com")).rejects.toThrow(/no alternative certificate subject name|does not match/);
  });

  test("OpenSSL, with every check of names and constraints", async () => {
    const { ca, dir } = await files();
    await writeFile(join(dir, "server.pem"), server.cert);
    const args = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca, "-verify_hostname", "github.com"];
    const { stdout } = await run("openssl", [...args, join(dir, "server.pem")]);
    expect(stdout).toContain("OK");
  });
});

describe("the constraint", () => {
  test("makes clients refuse a certificate for another host, were the key to leak", async () => {
    const bank = makeServerCertificate(authority, ["bank.example"], now);
    const { ca, dir } = await files();
    await writeFile(join(dir, "bank.pem"), bank.cert);
    await expect(run("openssl", ["verify", "-CAfile", ca, join(dir, "bank.pem")])).rejects.toThrow(/permitted subtree/);
    const port = await listen(bank);
    const args = ["-sS", "--noproxy", "*", "--cacert", ca, "--resolve", `bank.example:${port}:127.0.0.1`];
    await expect(run("curl", [...args, `https://bank.example:${port}/`])).rejects.toThrow(/permitted subtree/);
  });

  test("is read back from the certificate", () => {
    const may = mayVouchFor(authority.cert);
    expect(
      ["localhost", "github.com", "codeload.github.com", "127.0.0.9", "::1", "192.168.7.9"].filter(may),
    ).toHaveLength(6);
    expect(["evilgithub.com", "hub.com", "192.168.7.8", "10.0.0.1", "::2"].filter(may)).toEqual([]);
  });
});

describe("the certs folder", () => {
  test("is made on first use, with keys for the owner only and git kept away", async () => {
    const dir = join(await temporaryFolder(), "certs");
    await loadServerIdentity(dir, hosts);
    expect((await readdir(dir)).sort()).toEqual([
      ".gitignore",
      ".lock",
      "ca.key",
      "ca.pem",
      "public",
      "server.key",
      "server.pem",
    ]);
    for (const key of ["ca.key", "server.key"]) expect((await stat(join(dir, key))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(dir, ".gitignore"), "utf8")).toContain("*\n");
  });

  test("does not change while it is good", async () => {
    const dir = await temporaryFolder();
    const first = await loadServerIdentity(dir, hosts);
    const before = await snapshot(dir);
    expect(await loadServerIdentity(dir, ["localhost", "app_deps"])).toEqual(first);
    expect(await snapshot(dir)).toEqual(before);
  });

  test("gets a new server certificate under the same authority when a host is added or the end is near", async () => {
    const dir = await temporaryFolder();
    const first = await loadServerIdentity(dir, hosts);
    const second = await loadServerIdentity(dir, [...hosts, "gitlab.com"]);
    expect(second.caCertificate).toBe(first.caCertificate);
    expect(new X509Certificate(second.cert).subjectAltName).toContain("DNS:gitlab.com");
    const later = new Date(now.getTime() + 800 * 86_400_000);
    const third = await loadServerIdentity(dir, hosts, { now: later });
    expect(third.cert).not.toBe(second.cert);
    expect(Date.parse(new X509Certificate(third.cert).validTo)).toBeGreaterThan(later.getTime());
  });

  test("names the hosts that an older authority may not speak for", async () => {
    const dir = await temporaryFolder();
    await loadServerIdentity(dir, hosts);
    const { uncovered, cert } = await loadServerIdentity(dir, [...hosts, "git.corp.example"]);
    expect(uncovered).toEqual(["git.corp.example"]);
    expect(new X509Certificate(cert).subjectAltName).not.toContain("corp");
  });

  test("without its key renews nothing, but serves on while its certificate holds", async () => {
    const dir = await temporaryFolder();
    const first = await loadServerIdentity(dir, hosts, { forgetCaKey: true });
    expect([first.isRenewable, await readdir(dir)]).toEqual([false, expect.not.arrayContaining(["ca.key"])]);
    const later = await loadServerIdentity(dir, [...hosts, "gitlab.com"]);
    expect([later.cert, later.uncovered]).toEqual([first.cert, ["gitlab.com"]]);
    const ended = { now: new Date(now.getTime() + 900 * 86_400_000) };
    await expect(loadServerIdentity(dir, hosts, ended)).rejects.toThrow(/certs renew --new-ca/);
    await expect(renewServerIdentity(dir, hosts, false)).rejects.toThrow(/certs renew --new-ca/);
    const renewed = await renewServerIdentity(dir, hosts, true);
    expect(renewed.caCertificate).not.toBe(first.caCertificate);
    expect(renewed.isRenewable).toBe(true);
  });

  test("is read without being written to where there is nothing to renew", async () => {
    const dir = await temporaryFolder();
    const first = await loadServerIdentity(dir, hosts, { forgetCaKey: true });
    await rm(join(dir, ".lock"), { recursive: true });
    const before = await snapshot(dir);
    const soon = { now: new Date(first.validTo.getTime() - 5 * 86_400_000) };
    expect((await loadServerIdentity(dir, [...hosts, "gitlab.com"], soon)).cert).toBe(first.cert);
    expect([await snapshot(dir), await readdir(dir)]).toEqual([before, expect.not.arrayContaining([".lock"])]);
  });

  test("is made once by several servers that start at once", async () => {
    const dir = await temporaryFolder();
    const all = await Promise.all(Array.from({ length: 8 }, () => loadServerIdentity(dir, hosts)));
    expect(new Set(all.map(({ cert }) => cert)).size).toBe(1);
  });

  test("is renewed under the same authority, or under a new one that may vouch for more", async () => {
    const dir = await temporaryFolder();
    const first = await loadServerIdentity(dir, hosts);
    const second = await renewServerIdentity(dir, [...hosts, "git.corp.example"], false);
    expect(second.caCertificate).toBe(first.caCertificate);
    expect([second.cert === first.cert, second.uncovered]).toEqual([false, ["git.corp.example"]]);
    const third = await renewServerIdentity(dir, [...hosts, "git.corp.example"], true);
    expect(third.uncovered).toEqual([]);
  });

  test("keeps the names that another server, which shares it, needs", async () => {
    const dir = await temporaryFolder();
    await loadServerIdentity(dir, [...hosts, "gitlab.com"]);
    const both = await loadServerIdentity(dir, [...hosts, "codeberg.org"]);
    const names = new X509Certificate(both.cert).subjectAltName?.split(", ") ?? [];
    expect(new Set(names).size).toBe(names.length);
    const before = await snapshot(dir);
    expect((await loadServerIdentity(dir, [...hosts, "gitlab.com"])).cert).toBe(both.cert);
    expect(await snapshot(dir)).toEqual(before);
  });

  test("with a key that is another certificate's is refused, and a new authority mends it", async () => {
    const dir = await temporaryFolder();
    await loadServerIdentity(dir, hosts);
    await writeFile(join(dir, "ca.key"), authority.key);
    await expect(loadServerIdentity(dir, hosts)).rejects.toThrow(/not the key of ca\.pem there; .*--new-ca/);
    expect((await renewServerIdentity(dir, hosts, true)).isRenewable).toBe(true);
  });

  test("without the certificate of an authority that was in use is refused by name", async () => {
    const dir = await temporaryFolder();
    await loadServerIdentity(dir, hosts);
    await rm(join(dir, "ca.pem"));
    await expect(loadServerIdentity(dir, hosts)).rejects.toThrow(/ca\.pem is missing/);
  });

  test.each([
    ["before it had an authority", ["ca.key"]],
    ["before it had a certificate", ["ca.key", "ca.pem", "server.key"]],
  ])("that a killed first start left half made, %s, is made whole", async (_when, left) => {
    const dir = await temporaryFolder();
    await loadServerIdentity(dir, hosts);
    for (const file of await readdir(dir)) {
      if (!left.includes(file)) await rm(join(dir, file), { recursive: true });
    }
    const { cert } = await loadServerIdentity(dir, hosts);
    expect(new X509Certificate(cert).checkHost("github.com")).toBe("github.com");
    expect(await loadServerIdentity(dir, hosts)).toMatchObject({ cert });
  });
});

describe("a certificate of one's own", () => {
  test("is taken with its key, and names what it covers", async () => {
    const dir = await temporaryFolder();
    const file = async (name: string, content: string) => {
      await writeFile(join(dir, name), content);
      return join(dir, name);
    };
    const cert = await file("cert.pem", server.cert);
    const key = await file("key.pem", server.key);
    const own = await readOwnIdentity({ cert, key, ca: await file("ca.pem", authority.cert) }, [
      ...hosts,
      "gitlab.com",
    ]);
    expect(own).toMatchObject({ caCertificate: authority.cert, uncovered: ["gitlab.com"], isRenewable: false });
    const wrong = await file("wrong.pem", authority.key);
    await expect(readOwnIdentity({ cert, key: wrong, ca: undefined }, hosts)).rejects.toThrow(
      /no certificate and its key/,
    );
    await expect(readOwnIdentity({ cert: "none", key, ca: undefined }, hosts)).rejects.toThrow(/cannot read none/);
  });
});

test("health warns in time of an end that nothing here prevents", async () => {
  const identity = await loadServerIdentity(await temporaryFolder(), hosts, { forgetCaKey: true });
  const before = (days: number) => new Date(identity.validTo.getTime() - days * 86_400_000);
  expect(identityProblem(identity, before(31))).toBeUndefined();
  expect(identityProblem(identity, before(29))).toMatch(/ends on \d{4}-\d\d-\d\d .*certs renew --new-ca/);
  expect(identityProblem({ ...identity, isRenewable: true }, before(1))).toBeUndefined();
});

test("certificates hold from a day before, for clients whose clocks are late", () => {
  for (const { cert } of [authority, server]) {
    const hours = (now.getTime() - Date.parse(new X509Certificate(cert).validFrom)) / 3_600_000;
    expect(Math.round(hours)).toBe(24);
  }
});
