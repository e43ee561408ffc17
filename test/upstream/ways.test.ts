/** The ways to upstream: proxies and authorities. What goes wrong there says whose fault it is, and what to set. */
import { X509Certificate } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { connectionError } from "../../src/upstream/connection-error.ts";
import type { HttpSettings } from "../../src/upstream/http.ts";
import { makeUpstreamIdentity, startFileUpstream, type FileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, startGitUpstream } from "../support/git.ts";
import { mirrorHere } from "../support/here.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { startProxy } from "../support/proxy.ts";
import { openAsking, startSilent } from "../support/upstreams.ts";

const { ca, identity } = makeUpstreamIdentity();
const authority = /CN=(.*)/.exec(new X509Certificate(ca).subject)?.[1] ?? "";
const asset = Buffer.from("an executable");

let cwd: string;
let secure: FileUpstream;
let caFile: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  caFile = join(cwd, "corp.pem");
  await writeFile(caFile, ca);
  secure = await startFileUpstream(identity);
  secure.files.set("/tool", asset);
});

const get = async (url: string, settings: Partial<HttpSettings>) =>
  openAsking(settings).http.get(url, { maxSize: 1000 }, ({ body }) => body.toString());

describe("a proxy", () => {
  test("leads to https by a tunnel and to http by the request itself, as curl and git have it", async () => {
    const proxy = await startProxy();
    const plain = await startFileUpstream();
    plain.files.set("/tool", asset);
    const settings = { proxies: { httpProxy: proxy.url, httpsProxy: proxy.url }, authorities: [ca] };
    expect(await get(`${secure.url}/tool`, settings)).toBe(asset.toString());
    expect(await get(`${plain.url}/tool`, settings)).toBe(asset.toString());
    expect(proxy.log).toEqual([`CONNECT ${new URL(secure.url).host}`, `GET ${plain.url}/tool`]);
  });

  test("is passed by for hosts of NO_PROXY", async () => {
    const proxy = await startProxy();
    const proxies = { httpsProxy: proxy.url, noProxy: "127.0.0.1" };
    expect(await get(`${secure.url}/tool`, { proxies, authorities: [ca] })).toBe(asset.toString());
    expect(proxy.log).toEqual([]);
  });

  test("gets the login in its URL", async () => {
    const proxy = await startProxy({ login: "bot:s3cret" });
    const proxies = { httpsProxy: proxy.url.replace("://", "://bot:s3cret@") };
    expect(await get(`${secure.url}/tool`, { proxies, authorities: [ca] })).toBe(asset.toString());
  });

  test.each(["https", "http"])("that wants a login is named, with what to set, for %s", async (scheme) => {
    const proxy = await startProxy({ login: "bot:s3cret" });
    const plain = await startFileUpstream();
    const url = scheme === "https" ? secure.url : plain.url;
    const proxies = { httpProxy: proxy.url, httpsProxy: proxy.url };
    const { host } = new URL(proxy.url);
    const variable = scheme === "https" ? "HTTPS_PROXY" : "HTTP_PROXY";
    await expect(get(`${url}/tool`, { proxies, authorities: [ca] })).rejects.toThrow(
      `the proxy ${proxy.url} (${variable}) wants a login (status 407); set ${variable}=http://USER:PASSWORD@${host}`,
    );
    const wrong = { httpProxy: proxy.url.replace("://", "://a:b@"), httpsProxy: proxy.url.replace("://", "://a:b@") };
    const refused = get(`${url}/tool`, { proxies: wrong, authorities: [ca] });
    await expect(refused).rejects.toThrow(/does not take the login in its URL \(status 407\)/);
  });

  test("is named by git as by everybody else", async () => {
    const commit = await makeRepository(join(cwd, "upstream/o/r.git"));
    const git = await startGitUpstream(join(cwd, "upstream"));
    await writeFile(join(cwd, "mix.lock"), `%{"r": {:git, "${git.url}/o/r.git", "${commit}", []}}\n`);
    const proxy = await startProxy({ login: "bot:s3cret" });
    const { code, stderr } = await mirrorHere(["sync"], { cwd, env: { HTTP_PROXY: proxy.url } });
    const wanted = `the proxy ${proxy.url} (HTTP_PROXY) wants a login (status 407); set HTTP_PROXY=http://USER:PASSWORD@`;
    expect([code, stderr]).toEqual([1, expect.stringContaining(wanted)]);
  });

  test("that lets nobody through is named; one that cannot reach the host now is asked again", async () => {
    const closed = await startProxy({ refusal: 403 });
    const busy = await startProxy({ refusal: 503 });
    const { host } = new URL(secure.url);
    await expect(get(`${secure.url}/tool`, { proxies: { httpsProxy: closed.url } })).rejects.toThrow(
      `the proxy ${closed.url} (HTTPS_PROXY) lets nobody through to ${host} (CONNECT: status 403)`,
    );
    expect(closed.log).toHaveLength(1);
    await expect(get(`${secure.url}/tool`, { proxies: { httpsProxy: busy.url } })).rejects.toThrow(/status 503/);
    expect(busy.log.length).toBeGreaterThan(2);
  });

  test("that is not there is told from a host that is not", async () => {
    const proxies = { httpsProxy: "http://127.0.0.1:9" };
    await expect(get(`${secure.url}/tool`, { proxies })).rejects.toThrow(
      "the proxy http://127.0.0.1:9 (HTTPS_PROXY) cannot be reached; correct or unset HTTPS_PROXY",
    );
    await expect(get("https://127.0.0.1:9/tool", {})).rejects.toThrow("127.0.0.1:9 cannot be reached");
  });
});

test.each([
  ["host.example", {}, "the name of host.example cannot be resolved; check the network, or set HTTPS_PROXY"],
  [
    "proxy.corp",
    { httpsProxy: "http://proxy.corp:3128" },
    "the name of the proxy http://proxy.corp:3128 (HTTPS_PROXY) cannot be resolved; correct or unset HTTPS_PROXY",
  ],
])("a name that leads nowhere, %s, is told as whose it is", async (hostname, proxies, message) => {
  const cause = Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND", hostname });
  const url = "https://host.example/x";
  const error = await connectionError(cause, { url, shown: url, host: "host.example", proxies });
  expect(error.message).toContain(message);
});

test("a server that speaks no TLS is told as that, in one line", async () => {
  const plain = await startFileUpstream();
  await expect(get(`${plain.url.replace("http:", "https:")}/tool`, {})).rejects.toThrow(
    `who answers as ${new URL(plain.url).host} speaks no TLS that we understand`,
  );
});

describe("what is silent before any request can be sent", () => {
  test("a server that says nothing to a handshake is given up like any other, and stopped when it is told", async () => {
    const { url, port } = await startSilent();
    const asking = openAsking();
    const began = Date.now();
    const secureUrl = url.replace("http:", "https:");
    const asked = Array.from({ length: 3 }, async () =>
      asking.http.get(`${secureUrl}/x`, { maxSize: 10 }, () => "came"),
    );
    const results = await Promise.allSettled(asked);
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(asking.told).toEqual([`127.0.0.1:${port} does not answer`]);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 100);
    const stopped = openAsking().http.get(`${secureUrl}/x`, { maxSize: 10, signal: stop.signal }, () => "came");
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
    expect(Date.now() - began).toBeLessThan(5000);
  });

  test("a proxy that hangs up on CONNECT is asked a few times, and named", async () => {
    let asked = 0;
    const proxy = createServer().on("connect", (_request, socket: Socket) => {
      asked += 1;
      socket.destroy();
    });
    const url = await listenOnLoopback(proxy);
    await expect(get(`${secure.url}/tool`, { proxies: { httpsProxy: url } })).rejects.toThrow(
      `the proxy ${url} (HTTPS_PROXY) gives no connection to ${new URL(secure.url).host}`,
    );
    expect(asked).toBe(4);
  });

  test("a proxy that takes CONNECT and says nothing ends by the deadline, and holds nothing up afterwards", async () => {
    const { url } = await startSilent();
    const { http } = openAsking({
      proxies: { httpsProxy: url },
      deadline: 1,
      limits: { silence: 5, lonelySilence: 5 },
    });
    await expect(http.get(`${secure.url}/tool`, { maxSize: 10 }, () => "came")).rejects.toThrow(/--deadline/);
    const began = Date.now();
    await http.close();
    expect(Date.now() - began).toBeLessThan(2000);
  });
});

describe("an authority that nobody trusts", () => {
  test.each([
    ["directly", false],
    ["through a proxy", true],
  ])("is named, with what to set, %s", async (_, isProxied) => {
    const proxy = await startProxy();
    const through = isProxied ? ` (through the proxy ${proxy.url})` : "";
    await expect(get(`${secure.url}/tool`, { proxies: isProxied ? { httpsProxy: proxy.url } : {} })).rejects.toThrow(
      `the certificate of ${new URL(secure.url).host}${through} is signed by "${authority}", which is not trusted; ` +
        "if that is right, name its certificate: NODE_EXTRA_CA_CERTS=FILE",
    );
  });

  test.each(["HEX_CACERTS_PATH", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"])(
    "is trusted for all transfers when %s names it, from the working folder too",
    async (variable) => {
      const commit = await makeRepository(join(cwd, "upstream/o/r.git"));
      const git = await startGitUpstream(join(cwd, "upstream"), identity);
      await mkdir(join(cwd, "app"));
      await writeFile(join(cwd, "app/mix.lock"), `%{"r": {:git, "${git.url}/o/r.git", "${commit}", []}}\n`);
      const files = JSON.stringify({ files: [{ url: `${secure.url}/tool` }] });
      await writeFile(join(cwd, "app/mirror.config.json"), files);
      const sync = async (env: Record<string, string>) =>
        mirrorHere(["sync", "--mirror", "../m"], { cwd: join(cwd, "app"), env });
      const without = await sync({});
      expect(without.code).toBe(1);
      expect(without.stderr).toMatch(new RegExp(`git does not trust the certificate of .*signed by "${authority}"`));
      expect(without.stderr).toMatch(/name its authority: .*GIT_SSL_CAINFO=FILE/);
      expect(await sync({ [variable]: caFile })).toMatchObject({ code: 0 });
      expect((await sync({ [variable]: "../corp.pem" })).code).toBe(0);
    },
  );

  test("that a variable names in vain is told, and the rest goes on", async () => {
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ files: [{ url: `${secure.url}/tool` }] }));
    const env = { SSL_CERT_FILE: join(cwd, "gone.pem"), NODE_EXTRA_CA_CERTS: caFile };
    const { code, stderr } = await mirrorHere(["sync"], { cwd, env });
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/SSL_CERT_FILE names a file that cannot be read, and counts for nothing: .*gone\.pem/),
    ]);
  });
});
