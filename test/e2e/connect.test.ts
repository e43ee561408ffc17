/**
 * Clients whose only switch is a proxy: whoever takes the server for theirs is led to its own TLS for the hosts that it stands
 * in for, and nowhere else; and `exec` gives its command a proxy that leads on to where the user's would have.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as tlsConnect } from "node:tls";
import { beforeEach, describe, expect, test } from "vitest";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";
import { mirrorServer, startServer, type RunningServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import { startFileUpstream } from "../support/file-upstream.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { waitUntil } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { alpha, mixLock } from "../support/tarballs.ts";

const tool = "https://github.com/acme/tool/releases/download/v1/tool";
let cwd: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  const hex = await startHexUpstream([alpha]);
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha]));
  const from = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
  expect(await mirrorServer(["sync", ...from], { cwd })).toMatchObject({ code: 0 });
  const folder = join(cwd, ".mirror/files/github.com/acme/tool/releases/download/v1");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "tool"), "the tool");
});

/** @returns what a server said to bytes that nobody's client sends */
async function said({ port }: RunningServer, sent: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(sent);
  return text(socket);
}

describe.skipIf(!isInstalled("curl", "--version"))("the server, as a proxy,", () => {
  const curl = async (server: RunningServer, ...args: string[]) =>
    runClient("curl", ["-sS", "--proxy", server.url, "--cacert", join(cwd, "certs/ca.pem"), ...args], { cwd, env: {} });

  test.each([[[]], [["--workers", "2"]]])("leads to its own TLS, with %j", async (options) => {
    const server = await startServer(options, { cwd });
    for (let time = 0; time < 4; time += 1) {
      expect(await curl(server, tool)).toEqual({ code: 0, output: "the tool" });
    }
  });

  test("asks for a token within, as it would without", async () => {
    await writeFile(join(cwd, "token"), "a-token-of-many-characters\n");
    const server = await startServer(["--require-token", join(cwd, "token"), "--require-token", "all"], { cwd });
    expect((await curl(server, "-w", "%{http_code}", "-o", "/dev/null", tool)).output).toBe("401");
    const { output } = await curl(server, "-H", "Authorization: a-token-of-many-characters", tool);
    expect(output).toBe("the tool");
  });

  test.each([
    ["another host", "evil.example:443", /evil\.example is no host that this mirror stands in for/],
    ["another port of its own", "github.com:22", /only port 443 is answered/],
    ["no port", "github.com", /only port 443 is answered/],
    ["an address", "10.0.0.1:443", /10\.0\.0\.1 is no host/],
    ["what is no host", "/etc/passwd", /only port 443 is answered/],
  ])("leads to nobody who is %s", async (_what, target, words) => {
    const server = await startServer([], { cwd });
    const answer = await said(server, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
    expect(answer).toMatch(words);
  });

  test("takes what comes together with the question", async () => {
    const server = await startServer([], { cwd });
    // No greeting of TLS: whoever reads it closes, and the tunnel with it.
    const answer = await said(
      server,
      "CONNECT github.com:443 HTTP/1.1\r\nHost: github.com\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\n/);
    expect(answer).not.toContain("the tool");
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });

  test("leads into no further tunnel, however often it is asked within one", async () => {
    const server = await startServer([], { cwd });
    const socket = connect(server.port, "127.0.0.1");
    const ask = "CONNECT github.com:443 HTTP/1.1\r\nHost: github.com\r\n\r\n";
    socket.write(ask);
    await once(socket, "data");
    const inner = tlsConnect({ socket, servername: "github.com", rejectUnauthorized: false });
    await once(inner, "secureConnect");
    inner.write(ask);
    expect(await text(inner).catch(() => "")).not.toContain("200 Connection Established");
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });

  test("follows the certificate when that is renewed", async () => {
    const server = await startServer([], { cwd });
    expect((await curl(server, tool)).output).toBe("the tool");
    expect(await mirrorServer(["certs", "renew", "--new-ca"], { cwd })).toMatchObject({ code: 0 });
    await waitUntil(async () => (await curl(server, tool)).output === "the tool", "the new certificate");
  });

  test("says that it has no TLS, and whom its certificate does not name", async () => {
    const without = await startServer(["--no-tls"], { cwd });
    expect(await said(without, "CONNECT github.com:443 HTTP/1.1\r\n\r\n")).toContain("started with --no-tls");
    await without.stop();
    const { cert, key } = makeAuthority(["other.example", "localhost", "127.0.0.1"], new Date());
    await mkdir(join(cwd, "old"));
    await writeFile(join(cwd, "old/ca.pem"), cert);
    await writeFile(join(cwd, "old/ca.key"), key, { mode: 0o600 });
    const old = await startServer(["--certs-dir", "old"], { cwd });
    expect(await said(old, "CONNECT github.com:443 HTTP/1.1\r\n\r\n")).toMatch(
      /may not name github\.com; "mirror-server certs renew --new-ca"/,
    );
  });
});

describe.skipIf(!isInstalled("curl", "--version"))("exec's proxy", () => {
  const authority = makeAuthority(["outside.example"], new Date());
  const exec = async (options: readonly string[], script: string, env: Record<string, string> = {}) =>
    mirrorServer(["exec", ...options, "--", "sh", "-c", script], { cwd, env });

  async function startOutside() {
    const outside = await startFileUpstream(makeServerCertificate(authority, ["outside.example"], new Date()));
    outside.files.set("/x", Buffer.from("outside"));
    await writeFile(join(cwd, "outside.pem"), authority.cert);
    return outside;
  }

  test("is there with --artefacts alone, and leads to the mirror for hosts that it stands in for", async () => {
    expect((await exec([], "echo ${HTTPS_PROXY:-none}")).stdout).toBe("none\n");
    const { code, stdout, stderr } = await exec(["--artefacts"], `curl -sS ${tool}`);
    expect([code, stdout]).toEqual([0, "the tool"]);
    expect(stderr).not.toContain("curl");
  });

  const erlang = `
    application:ensure_all_started(ssl), application:ensure_all_started(inets),
    #{host := Host, port := Port, userinfo := Info} = uri_string:parse(os:getenv("HTTPS_PROXY")),
    [User, Password] = string:split(Info, ":"),
    httpc:set_options([{https_proxy, {{Host, Port}, []}}]),
    Options = [{proxy_auth, {User, Password}}, {ssl, [{verify, verify_peer}, {cacerts, public_key:cacerts_get()}]}],
    {ok, {_, _, Body}} = httpc:request(get, {"${tool}", []}, Options, []), io:put_chars(Body), halt().`;
  const undici = new URL("../../node_modules/undici/index.js", import.meta.url).href;
  const node = `import("${undici}").then(async ({ EnvHttpProxyAgent, request }) => {
    const { body } = await request("${tool}", { dispatcher: new EnvHttpProxyAgent() });
    process.stdout.write(await body.text());
  })`;
  const python = `import urllib.request; print(urllib.request.urlopen("${tool}").read().decode(), end="")`;

  // As docs/files.md lists them.
  test.for([
    ["curl", ["curl", "-sS", tool]],
    // It reads no variable for that.
    ["wget", ["sh", "-c", `wget -q -O - --ca-certificate="$SSL_CERT_FILE" ${tool}`]],
    ["python3", ["python3", "-c", python]],
    ["erl", ["erl", "-noshell", "-eval", erlang]],
    ["node", ["node", "-e", node]],
  ] as const)("is taken by %s, with the trust that it needs", async ([program, command], { skip }) => {
    if (!isInstalled("sh", "-c", `command -v ${program}`)) skip(`there is no ${program}`);
    const { stdout, stderr } = await mirrorServer(["exec", "--artefacts", "--hermetic", "--", ...command], { cwd });
    expect([stdout, stderr]).toEqual(["the tool", expect.not.stringContaining("lets nobody but the mirror be asked")]);
  });

  test("leads on through the user's own proxy, with its login, for all others", async () => {
    const outside = await startOutside();
    const proxy = await startProxy({
      login: "me:secret",
      names: { "outside.example:443": new URL(outside.url).host },
    });
    const env = { HTTPS_PROXY: proxy.url.replace("//", "//me:secret@") };
    const { code, stdout } = await exec(
      ["--artefacts"],
      `curl -sS --cacert outside.pem https://outside.example/x && curl -sS ${tool}`,
      env,
    );
    expect([code, stdout]).toEqual([0, "outsidethe tool"]);
    expect(proxy.log).toEqual(["CONNECT outside.example:443"]);
  });

  test("leads nobody on who has not the password of this run", async () => {
    const outside = await startOutside();
    const target = new URL(outside.url).host;
    const script = `curl -sS -o /dev/null -w "%{http_connect}" --noproxy "" --proxy "http://$(echo $HTTPS_PROXY | sed 's/.*@//')" https://${target}/x`;
    expect(await exec(["--artefacts"], script)).toMatchObject({ stdout: "407", code: 56 });
    expect(outside.log).toEqual([]);
    expect((await exec(["--artefacts"], `curl -sSk --noproxy "" https://${target}/x`)).stdout).toBe("outside");
  });

  test("is taken by git, which asks without a password first", async () => {
    const repository = join(cwd, "outside/o/r.git");
    await makeRepository(repository);
    const { url } = await startGitUpstream(join(cwd, "outside"));
    const proxy = await startProxy({ names: { "outside.example:443": new URL(url).host } });
    // What answers has no TLS: git gets as far as that, through both proxies.
    const env = { HTTPS_PROXY: proxy.url };
    const { stderr } = await exec(["--artefacts"], "git ls-remote https://outside.example/o/r", env);
    expect(proxy.log).toEqual(["CONNECT outside.example:443"]);
    expect(stderr).not.toMatch(/CONNECT aborted|407/);
  });

  test("leads nobody anywhere but to the mirror with --hermetic, which is named", async () => {
    const outside = await startOutside();
    const script = `curl -sSk --noproxy "" ${outside.url}/x; curl -sS ${tool}`;
    const { stdout, stderr } = await exec(["--artefacts", "--hermetic"], script);
    expect(stdout).toBe("the tool");
    expect(stderr).toContain(`--hermetic lets nobody but the mirror be asked: ${new URL(outside.url).host}`);
    expect(outside.log).toEqual([]);
  });
});
