/** `exec` says at its end what the mirror could not give, whoever serves it; and with --hermetic nobody else can be asked. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer } from "../support/cli.ts";
import { isInstalled } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

let cwd: string;
let revision: string;
let hex: Awaited<ReturnType<typeof startHexUpstream>>;
let env: Record<string, string>;
let from: string[];

beforeEach(async () => {
  cwd = await temporaryFolder();
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"));
  hex = await startHexUpstream([alpha]);
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  const entry = `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`;
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha], [entry]));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  from = ["--hex-url", hex.url, "--hex-public-key", key];
  expect(await mirrorServer(["sync", ...from], { cwd, env })).toMatchObject({ code: 0 });
});

const exec = async (args: string[], env: Record<string, string> = {}) => mirrorServer(["exec", ...args], { cwd, env });
const ask = (...paths: string[]) => [
  "--",
  "sh",
  "-c",
  `for p in ${paths.join(" ")}; do curl -s "$HEX_MIRROR$p"; done; exit 1`,
];

describe("what was missed is named, with the way out,", () => {
  const cases: [string, string[], RegExp][] = [
    [
      "a package",
      ["/packages/nimble_csv"],
      /the mirror lacks nimble_csv: online, run .*--pull -- …", or "mirror-server sync --package nimble_csv@VERSION"/,
    ],
    ["a release", ["/tarballs/nimble_csv-1.2.0.tar"], /lacks nimble_csv 1\.2\.0: .*sync --package nimble_csv@1\.2\.0"/],
    ["both, once", ["/packages/alpha", "/packages/x", "/tarballs/x-1.0.0.tar"], /lacks x: online/],
    ["a package of the mirror's own", ["/repos/local/packages/x"], /lacks local\/x: .*add --repo NAME FILE\.tar"/],
    ["an organisation's", ["/repos/acme/packages/x"], /lacks hexpm:acme\/x: .*--package hexpm:acme\/x@VERSION/],
    [
      "installers",
      ["/installs/1.17.0/hex-2.2.1-otp-27.ez"],
      /lacks installs\/1\.17\.0.*"mirror-server sync --installers"/,
    ],
    ["documentation", ["/docs/alpha-1.0.0.tar.gz"], /lacks the documentation of alpha 1\.0\.0: .*--docs/],
    [
      "a git repository",
      ["/owner/none.git/info/refs?service=git-upload-pack"],
      /lacks https:\/\/github\.com\/owner\/none: online/,
    ],
    [
      "of a host that is not listed",
      ["/git.example.org/o/r/info/refs?service=git-upload-pack"],
      /lacks https:\/\/git\.example\.org\/o\/r: /,
    ],
    [
      "a file",
      ["/github.com/o/r/releases/download/v1/x.tgz"],
      /lacks https:\/\/github\.com\/o\/r\/releases\/download\/v1\/x\.tgz: .*under "files"/,
    ],
  ];

  test.each(cases)("%s: by a server of its own", async (_what, paths, line) => {
    const { code, stderr } = await exec(["--port", "0", ...ask(...paths)]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(line)]);
    expect(stderr.match(/the mirror lacks/g)).toHaveLength(1);
    expect(stderr).not.toContain("everything is here");
  });

  test("a package that the project names and the mirror knows as somebody's optional dependency alone", async () => {
    await writeFile(join(cwd, "mix.exs"), 'defp deps, do: [{:alpha, "~> 1.0"}, { :gamma, ">= 0.0.0"}]\n');
    // A record without releases, as a registry has it for optional dependencies.
    const gamma = makeTarball({
      name: "delta",
      version: "1.0.0",
      requirements: [{ name: "gamma", requirement: "~> 1.0", optional: true }],
    });
    await writeFile(join(cwd, ".mirror/hex/tarballs/delta-1.0.0.tar"), gamma.bytes);
    expect(await mirrorServer(["build", "--adopt", "delta@1.0.0"], { cwd })).toMatchObject({ code: 0 });
    const { stderr } = await exec([
      "--port",
      "0",
      "--",
      "sh",
      "-c",
      ': deps; curl -sf "$HEX_MIRROR/packages/gamma" | cat >/dev/null; exit 1',
    ]);
    expect(stderr).toMatch(/the mirror lacks gamma: online, run /);
  });

  test("what the project names comes first: clients ask for every optional dependency as well", async () => {
    await writeFile(join(cwd, "mix.exs"), 'defp deps, do: [{:wanted, "~> 1.0"}]\n');
    const { stderr } = await exec(["--port", "0", ...ask("/packages/optional", "/packages/wanted", "/health/live")]);
    expect(stderr).toMatch(/the mirror lacks wanted: online/);
    expect(stderr).not.toMatch(/lacks [^:]*optional/);
  });

  test("a package of another repository by its name, and what is the mirror's own as such", async () => {
    const theirs = await startHexUpstream([]);
    theirs.publish([beta], { repository: "theirs" });
    const key = await theirs.writePublicKey(join(cwd, "theirs.pem"));
    await writeFile(join(cwd, "beta.tar"), beta.bytes);
    for (const args of [
      ["sync", "--repo", `theirs=${theirs.url},${key}`, "--package", `theirs/beta@${beta.version}`, ...from],
      ["add", "beta.tar", "--repo", "ours"],
    ]) {
      expect(await mirrorServer(args, { cwd, env })).toMatchObject({ code: 0 });
    }
    const asked = ["theirs", "ours"].map((name) => `curl -s "$HEX_CDN/repos/${name}/packages/x"`).join("; ");
    const { stderr } = await exec(["--port", "0", "--", "sh", "-c", `${asked}; exit 1`]);
    expect(stderr).toMatch(/the mirror lacks ours\/x: "mirror-server add --repo NAME FILE\.tar" puts/);
    expect(stderr).toMatch(/the mirror lacks theirs\/x: online, .*sync --package theirs\/x@VERSION"/);
  });

  test("nothing that others may have asked for comes to be a command", async () => {
    const { stderr } = await exec([
      "--port",
      "0",
      ...ask("'/packages/x;touch$IFS/tmp/pwned;'", "/repos/A$(id)/packages/y", "/packages/fine"),
    ]);
    expect(stderr).toMatch(/the mirror lacks fine: /);
    expect(stderr).not.toMatch(/mirror-server sync[^\n]*(?:touch|id)/);
  });

  test("by one that runs, of this command alone", async () => {
    const server = await startServer(["--no-tls"], { cwd });
    await fetch(`${server.url}/packages/before`);
    const { stderr } = await exec(ask("/packages/meanwhile"));
    expect(stderr).toMatch(/using the mirror .* at http:[^]*the mirror lacks meanwhile: /);
    expect(stderr).not.toContain("before");
  });

  test("that one tells it to its user alone", async () => {
    const server = await startServer(["--no-tls"], { cwd });
    await fetch(`${server.url}/packages/secret_name`);
    for (const query of ["", "?since=0", `?since=0&proof=${"0".repeat(64)}`, `?since=0&proof=${"%C3%A9".repeat(64)}`]) {
      const answer = await fetch(`${server.url}/health/lacking${query}`);
      expect([answer.status, await answer.text()]).toEqual([403, expect.not.stringContaining("secret_name")]);
    }
  });
});

test("what a command that went well asked for in passing is no news", async () => {
  const script =
    'curl -s "$HEX_MIRROR/packages/optional" "$HEX_MIRROR/docs/alpha-1.0.0.tar.gz" "$HEX_MIRROR/installs/x.csv" "$HEX_MIRROR/api/users/me"';
  const { stderr } = await exec(["--port", "0", "--", "sh", "-c", script]);
  expect(stderr).toContain("everything is here");
  expect(stderr).not.toContain("lacks");
});

describe("a mirror that fetches", () => {
  const pulling = (url: string) => ["--pull", "--hex-url", url, "--hex-public-key", "upstream.pem", "--port", "0"];
  const online = { MIRROR_OFFLINE: "" };

  test("says that upstream has it neither", async () => {
    const { stderr } = await exec([...pulling(hex.url), "--mirror", "new", ...ask("/packages/nowhere")], online);
    expect(stderr).toMatch(/neither the mirror nor its upstream gives nowhere: /);
  });

  test("says that it is offline, of packages and of git", async () => {
    const args = [...pulling("http://127.0.0.1:9"), "--allow-hosts", "127.0.0.1", "--mirror", "new"];
    const paths = ["/packages/nimble_csv", "/127.0.0.1/o/r/info/refs?service=git-upload-pack"];
    const { stdout, stderr } = await exec([...args, ...ask(...paths)], online);
    expect(stdout.match(/it is not held here, and 127\.0\.0\.1(?::9)? cannot be asked just now: /g)).toHaveLength(2);
    expect(stderr).toMatch(
      /the mirror lacks nimble_csv, https:\/\/127\.0\.0\.1\/o\/r: online, run the same again, or /,
    );
  });
});

describe("--offline", () => {
  test("asks nobody, although a server of this mirror runs that fetches", async () => {
    const args = ["--pull", "--hex-url", hex.url, "--hex-public-key", "upstream.pem", "--no-tls"];
    const server = await startServer(args, { cwd, env: { MIRROR_OFFLINE: "" } });
    const online = await exec(["--", "sh", "-c", "echo $HEX_MIRROR"], { MIRROR_OFFLINE: "" });
    expect(online.stdout.trim()).toBe(server.url);
    const offline = await exec(["--offline", "--", "sh", "-c", "echo $HEX_MIRROR"], { MIRROR_OFFLINE: "" });
    expect(offline.stdout.trim()).not.toBe(server.url);
    expect(offline.stderr).toContain("offline, since --offline says so");
  });
});

describe("--hermetic", () => {
  const notHere = /https:\/\/git\.example\.org\/o\/r is not in this mirror/;
  const lacksIt = "the mirror lacks https://git.example.org/o/r: ";

  test("refuses by name whatever is not the mirror, and says so at the end", async () => {
    const asked: string[] = [];
    const outside = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.end("outside");
    });
    const url = (await listenOnLoopback(outside)).replace("127.0.0.1", "localhost.example");
    const script = [
      `curl -s ${url}/x; echo`,
      "curl -s https://repo.hex.pm/packages/x || echo refused",
      'curl -s "$HEX_MIRROR/health/live"; echo',
      // Who heeds no list of hosts without proxy finds the mirror all the same.
      'curl -s --noproxy "" --proxy "$http_proxy" "$HEX_MIRROR/health/live"',
    ].join("\n");
    const { stdout, stderr } = await exec(["--hermetic", "--", "sh", "-c", script]);
    expect(stdout).toBe(
      `${new URL(url).host} cannot be reached: mirror-server exec --hermetic lets clients ask the mirror and nobody else\n\n` +
        'refused\n{"status":"ok"}\n{"status":"ok"}',
    );
    expect(stderr).toContain(`--hermetic lets nobody but the mirror be asked: ${new URL(url).host}, repo.hex.pm:443\n`);
    expect(asked).toEqual([]);
  });

  test.each([
    ["https://git.example.org/o/r", notHere, lacksIt],
    ["ssh://git@git.example.org/o/r", notHere, lacksIt],
    ["own:o/r", notHere, lacksIt],
    ["git@git.example.org:o/r", /transport 'ssh' not allowed/, "using the mirror"],
  ])("git, asked for %s, fails at once with its name", async (url, words, told) => {
    await mkdir(join(cwd, "home"));
    await writeFile(join(cwd, "home/.gitconfig"), '[url "https://git.example.org/"]\n\tinsteadOf = own:\n');
    const env = { HOME: join(cwd, "home"), GIT_SSH_COMMAND: "echo asked >&2; false" };
    const { code, stderr } = await exec(["--hermetic", "--", "git", "ls-remote", url], env);
    expect([code, stderr]).toEqual([128, expect.stringMatching(words)]);
    expect(stderr).not.toMatch(/^asked/m);
    // Git's own failure is 128, as a signal's might be.
    expect(stderr).toContain(told);
  });

  test.skipIf(!isInstalled("rebar3", "--version"))("rebar3 still has what the mirror holds", async () => {
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{alpha, "1.0.0"}]}.\n');
    await writeFile(join(cwd, "app/src/app.app.src"), '{application, app, [{vsn, "1"}, {applications, [kernel]}]}.\n');
    const { code, stdout } = await exec(["--hermetic", "--", "sh", "-c", "cd app && rebar3 get-deps"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("Fetching alpha v1.0.0")]);
  });

  test("ends although a client of its own keeps a refused connection open", async () => {
    await writeFile(
      join(cwd, "client.mjs"),
      `import { connect } from "node:net";
       import { writeFileSync } from "node:fs";
       const port = Number(new URL(process.env.HTTPS_PROXY).port);
       const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
       socket.write("CONNECT a.example:443 HTTP/1.1\\r\\n\\r\\n");
       socket.on("data", () => writeFileSync("refused", ""));
       socket.on("close", () => process.exit());
       setTimeout(() => { writeFileSync("waited", ""); process.exit(); }, 20_000);`,
    );
    const script = `"${process.execPath}" client.mjs >/dev/null 2>&1 & until [ -e refused ]; do sleep 0.1; done`;
    expect(await exec(["--hermetic", "--", "sh", "-c", script])).toMatchObject({ code: 0 });
    expect(await readdir(cwd)).not.toContain("waited");
  });

  test("holds for what is started within, and does not go with a mirror elsewhere", async () => {
    const script = `"${process.execPath}" "${new URL("../../dist/main.js", import.meta.url).pathname}" exec -- git ls-remote https://git.example.org/o/r`;
    const { stderr } = await exec(["--hermetic", "--", "sh", "-c", script]);
    expect(stderr).toContain("https://git.example.org/o/r is not in this mirror");
    expect(await exec(["--hermetic", "--url", "http://127.0.0.1:9", "--", "true"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("leave --url out"),
    });
  });
});
