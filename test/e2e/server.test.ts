/** The serving process as a whole: listeners, health, shutdown, children. */
import { X509Certificate, createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as tlsConnect } from "node:tls";
import { beforeEach, expect, test } from "vitest";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";
import { git, makeRepository } from "../support/git.ts";
import { descendants, isAlive, waitUntil } from "../support/processes.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});

/** A bare repository whose pack does not fit into any socket's buffers. */
async function mirrorLargeRepository(): Promise<void> {
  const noise = createHash("shake256", { outputLength: 24 * 1024 * 1024 })
    .update("noise")
    .digest("base64");
  await makeRepository(join(cwd, "work"), { "noise.txt": noise });
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
}

test("an empty folder becomes an empty, signed, healthy mirror on both listeners", async () => {
  const server = await startServer([], { cwd });
  const health = await mirrorServer(["health", "--port", String(server.port)], { cwd });
  expect(health).toMatchObject({ code: 0, stdout: "ok\n" });
  const ca = await (await fetch(`${server.url}/ca.pem`)).text();
  expect(ca).toBe(await readFile(join(cwd, "certs/ca.pem"), "utf8"));
  const status = await new Promise((resolve, reject) => {
    httpsRequest(`https://localhost:${server.tlsPort}/names`, { ca, family: 4 }, (answer) => resolve(answer.statusCode))
      .on("error", reject)
      .end();
  });
  expect(status).toBe(200);
});

test("an idle server ends at once when asked to, with exit code 0", async () => {
  const server = await startServer([], { cwd });
  const idle = connect(server.port, "127.0.0.1");
  await fetch(`${server.url}/health`);
  expect(await server.stop("SIGTERM")).toBe(0);
  idle.destroy();
  expect(server.log()).toContain('"stopped"');
});

test("a running clone may finish within the grace, and no child is left", async () => {
  await mirrorLargeRepository();
  const server = await startServer(["--no-tls", "--grace", "30"], { cwd });
  const clone = git(cwd, ["clone", "-q", `${server.url}/owner/repo`, "clone"]);
  // Asking for the refs runs git as well: it is the last of its requests that has to be under way.
  const packs = join(cwd, "clone/.git/objects/pack");
  const isReceiving = async () => (await readdir(packs).catch(() => [])).some((name) => name.startsWith("tmp_pack"));
  await waitUntil(isReceiving, "the pack to arrive");
  const children = descendants(server.pid);
  const stopped = server.stop("SIGTERM");
  await clone;
  expect(await stopped).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
});

test("a request that outlasts the grace is cut, and its processes end with it", async () => {
  await mirrorLargeRepository();
  const server = await startServer(["--no-tls", "--grace", "0.2"], { cwd });
  const client = slowClone(server.port);
  await waitUntil(() => descendants(server.pid).length > 0, "git upload-pack to start");
  const children = descendants(server.pid);
  expect(await server.stop("SIGINT")).toBe(0);
  await waitUntil(() => !children.some(isAlive), "the children to end");
  client.destroy();
});

test("when a client goes away, its git processes end", async () => {
  await mirrorLargeRepository();
  const server = await startServer(["--no-tls"], { cwd });
  const client = slowClone(server.port);
  await waitUntil(() => descendants(server.pid).length > 0, "git upload-pack to start");
  client.destroy();
  await waitUntil(() => descendants(server.pid).length === 0, "git upload-pack to end");
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("a request body may come in chunks, and HEAD asks for no body", async () => {
  await makeRepository(join(cwd, "work"));
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
  const server = await startServer(["--no-tls"], { cwd });
  const headers = { "content-type": "application/x-git-upload-pack-request", "git-protocol": "version=2" };
  const answer = await new Promise<string>((resolve, reject) => {
    const sent = request(`${server.url}/owner/repo/git-upload-pack`, { method: "POST", headers }, (response) => {
      text(response).then(resolve, reject);
    });
    sent.on("error", reject);
    for (const part of ["0014comm", "and=ls-refs", "\n0001", "0000"]) sent.write(part);
    sent.end();
  });
  expect(answer).toContain("refs/heads/main");
  const head = await fetch(`${server.url}/owner/repo/info/refs?service=git-upload-pack`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("clients that take it for a proxy are answered for the host that they name, and nothing they send is logged", async () => {
  await makeRepository(join(cwd, "work"));
  await git(cwd, ["clone", "-q", "--bare", "work", ".mirror/git/github.com/owner/repo.git"]);
  const server = await startServer(["--no-tls"], { cwd });
  const ask = (url: string) =>
    new Promise<string>((resolve, reject) => {
      const options = { host: "127.0.0.1", port: server.port, path: url, headers: { host: "elsewhere.example" } };
      request(options, (answer) => void text(answer).then(resolve, reject))
        .on("error", reject)
        .end();
    });
  const refs = await ask("http://me:s3cret@github.com/owner/repo.git/info/refs?service=git-upload-pack&token=s3cret");
  expect(refs).toMatch(/^001e# service=git-upload-pack/);
  expect(JSON.parse(await ask("http://localhost/health"))).toMatchObject({ status: "ok" });
  expect(await ask("http://example.org/names")).toContain("holds nothing of the host example.org");
  expect(server.log()).toContain('"host":"github.com","path":"/owner/repo.git/info/refs"');
  expect(server.log()).not.toContain("s3cret");
});

test("fifty stalled clients cost neither processes nor much memory", async () => {
  await mirrorLargeRepository();
  const server = await startServer(["--no-tls", "--git-max-processes", "2"], { cwd });
  const clients = Array.from({ length: 50 }, () => slowClone(server.port));
  let most = 0;
  await waitUntil(() => {
    most = Math.max(most, descendants(server.pid).length);
    return most > 0;
  }, "git upload-pack to start");
  await git(cwd, ["clone", "-q", `${server.url}/owner/repo`, "clone"]);
  expect(most).toBeLessThanOrEqual(4);
  const status = await readFile(`/proc/${server.pid}/status`, "utf8").catch(() => "");
  const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  // The pack has 32 MiB: fifty copies of it would be 1.6 GB.
  expect(resident).toBeLessThan(300);
  for (const client of clients) client.destroy();
});

/** Asks for everything and reads nothing. */
function slowClone(port: number) {
  const socket = connect(port, "127.0.0.1");
  const body = ["0011command=fetch", "0001", "000fno-progress", "0009done\n", "0000"];
  void git(join(cwd, "work"), ["rev-parse", "HEAD"]).then((head) => {
    body.splice(2, 0, `0032want ${head}\n`);
    const request = body.join("");
    socket.write(
      `POST /owner/repo/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nGit-Protocol: version=2\r\n` +
        `Content-Type: application/x-git-upload-pack-request\r\nContent-Length: ${request.length}\r\n\r\n${request}`,
    );
    socket.pause();
  });
  socket.on("error", () => undefined);
  return socket;
}

/** The certificate that a server shows now, by the names that it is for. */
async function shownCertificate(port: number): Promise<{ names: string; issuer: string }> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const { subjectaltname = "", issuer } = socket.getPeerCertificate();
      socket.destroy();
      resolve({ names: subjectaltname, issuer: String(issuer.CN) });
    });
    socket.once("error", reject);
  });
}

test("a host that is added while it runs gets into the certificate, without a restart", async () => {
  const server = await startServer([], { cwd });
  const before = await shownCertificate(server.tlsPort);
  for (const host of ["github.com", "repo.hex.pm", "builds.hex.pm", "hex.pm", "app_deps"]) {
    expect(before.names).toContain(`DNS:${host}`);
  }
  expect(before.names).not.toContain("gitlab.com");
  await mkdir(join(cwd, ".mirror/git/gitlab.com"), { recursive: true });
  await waitUntil(async () => (await shownCertificate(server.tlsPort)).names.includes("DNS:gitlab.com"), "gitlab.com");
  expect((await shownCertificate(server.tlsPort)).issuer).toBe(before.issuer);
});

test("a host outside the constraint is told in the log, and `certs renew --new-ca` brings it in, without a restart", async () => {
  const server = await startServer([], { cwd });
  const before = await shownCertificate(server.tlsPort);
  await mkdir(join(cwd, ".mirror/git/git.corp.example"), { recursive: true });
  await waitUntil(() => server.log().includes("clients will not trust this server as git.corp.example"), "a warning");
  expect(server.log()).toContain("certs renew --new-ca");
  const { code, stdout } = await mirrorServer(["certs", "renew", "--new-ca"], { cwd });
  expect([code, stdout]).toEqual([0, expect.stringMatching(/clients have to trust the new .*ca\.pem/)]);
  await waitUntil(async () => (await shownCertificate(server.tlsPort)).names.includes("git.corp.example"), "the host");
  expect((await shownCertificate(server.tlsPort)).issuer).not.toBe(before.issuer);
  expect(await (await fetch(`${server.url}/ca.pem`)).text()).toBe(await readFile(join(cwd, "certs/ca.pem"), "utf8"));
});

test("--forget-ca-key leaves no key, and the next start needs none", async () => {
  const first = await startServer(["--forget-ca-key"], { cwd });
  expect((await readdir(join(cwd, "certs"))).sort()).toEqual([
    ".gitignore",
    ".lock",
    "ca.pem",
    "public",
    "server.key",
    "server.pem",
  ]);
  const shown = await shownCertificate(first.tlsPort);
  await first.stop();
  const second = await startServer([], { cwd });
  expect(await shownCertificate(second.tlsPort)).toEqual(shown);
  const renewal = await mirrorServer(["certs", "renew"], { cwd });
  expect([renewal.code, renewal.stderr]).toEqual([2, expect.stringContaining("certs renew --new-ca")]);
});

test("a certificate of one's own is shown instead, and read again when it was replaced", async () => {
  const authority = makeAuthority(["mirror.corp.example"], new Date());
  const write = async (host: string) => {
    const { cert, key } = makeServerCertificate(authority, [host, "localhost"], new Date());
    await writeFile(join(cwd, "key.pem"), key);
    await writeFile(join(cwd, "cert.pem"), cert);
  };
  await write("mirror.corp.example");
  await writeFile(join(cwd, "corp-ca.pem"), authority.cert);
  const own = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca", "corp-ca.pem"];
  const server = await startServer(own, { cwd });
  expect((await shownCertificate(server.tlsPort)).names).toContain("DNS:mirror.corp.example");
  expect(await (await fetch(`${server.url}/ca.pem`)).text()).toBe(authority.cert);
  await write("other.mirror.corp.example");
  await waitUntil(async () => (await shownCertificate(server.tlsPort)).names.includes("other.mirror"), "the new one");
  const half = await mirrorServer(["serve", "--tls-cert", "cert.pem"], { cwd });
  expect([half.code, half.stderr]).toEqual([2, expect.stringContaining("--tls-cert and --tls-key belong together")]);
});

test("a certs folder that cannot be looked at does not end the server", async () => {
  const server = await startServer([], { cwd });
  const before = await shownCertificate(server.tlsPort);
  await rm(join(cwd, "certs/ca.pem"));
  await symlink("ca.pem", join(cwd, "certs/ca.pem"));
  await waitUntil(() => server.log().includes("the server certificate stays as it is"), "a warning");
  expect(await shownCertificate(server.tlsPort)).toEqual(before);
});

test("an idle connection is kept for longer than balancers keep theirs, and names of containers are the mirror's own", async () => {
  const server = await startServer([], { cwd });
  const answer = await fetch(`${server.url}/health/live`);
  expect(answer.headers.get("keep-alive")).toBe("timeout=75");
  const certificate = new X509Certificate(await readFile(join(cwd, "certs/server.pem")));
  expect(certificate.subjectAltName).toContain("DNS:host.docker.internal");
  expect(server.log()).not.toContain("will not trust");
});
