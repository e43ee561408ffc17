/** The Hex tree in a bucket: what goes there, in which order, what is never replaced, and that clients can use it. */
import { appendFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mirrorHere } from "../support/here.ts";
import { hexArchives, isInstalled, rebar3ForMix, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { hasObjectStore, startObjectStore, type ObjectStore } from "../support/object-store.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listenOnLoopback } from "../support/loopback.ts";
import { alpha, beta, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";

const secret = makeTarball({ name: "secret", version: "1.0.0" });
const newer = makeTarball({ name: "alpha", version: "1.1.0" });
const built = makeTarball({ name: "alpha", version: "1.2.0+build" });

describe.skipIf(!hasObjectStore)("published to object storage (Ceph's RADOS gateway)", () => {
  let store: ObjectStore;
  let unpacked: string;
  let cwd: string;
  let hex: HexUpstream;
  let key: string;
  let to: string;
  let count = 0;

  beforeAll(async () => {
    unpacked = await mkdtemp(join(tmpdir(), "mirror-server-test-"));
    store = await startObjectStore(unpacked);
  }, 300_000);
  afterAll(async () => {
    await store.stop();
    await rm(unpacked, { recursive: true, force: true });
  });

  beforeEach(async () => {
    cwd = await temporaryFolder();
    hex = await startHexUpstream([alpha, newer, beta, built]);
    key = await hex.writePublicKey(join(cwd, "upstream.pem"));
    to = `s3://${store.bucket}/test-${++count}`;
    await mkdir(join(cwd, "app"));
    await writeFile(join(cwd, "app/mix.lock"), mixLock([alpha, beta]));
    expect((await sync("app")).code).toBe(0);
  });

  const run = (command: string, args: string[], env: Record<string, string> = {}) =>
    mirrorHere([command, ...args], { cwd, env: { ...store.env, ...env } });
  const sync = (...args: string[]) => run("sync", ["--hex-url", hex.url, "--hex-public-key", key, ...args]);
  const publish = (...args: string[]) => run("publish", ["--to", to, ...args]);
  const urlOf = (path: string) => `${store.endpoint}/${store.bucket}/test-${count}/${path}`;
  const statusOf = async (path: string) => (await fetch(urlOf(path))).status;

  /** The store behind a proxy that hears what is asked, and may answer by itself. */
  const heard = async (intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false) => {
    const log: string[] = [];
    const server = createServer((request, response) => {
      log.push(`${request.method} ${request.url}`);
      if (intercept(request, response)) return;
      const { hostname, port } = new URL(store.endpoint);
      const onward = httpRequest({
        hostname,
        port,
        method: request.method,
        path: request.url,
        headers: request.headers,
      });
      onward.on("response", (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    const url = await listenOnLoopback(server);
    return { log, url };
  };
  const puts = (log: readonly string[]) =>
    log.filter((line) => line.startsWith("PUT ") && !line.includes(".mirror-server"));

  test("what is named is there first, and only what changed goes there", async () => {
    const first = await heard();
    const { code, stdout } = await publish("--endpoint", first.url);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^put 9 objects \(.*\), 0 were there as they are$/m)]);
    const order = puts(first.log).map((line) => line.replace(/^.*\/test-\d+\//, ""));
    const place = (name: string) => order.indexOf(name);
    expect(place("tarballs/beta-2.1.0.tar")).toBeLessThan(place("packages/alpha"));
    expect(place("packages/beta")).toBeLessThan(place("versions"));
    expect([place("versions"), place("names")]).toEqual([order.length - 2, order.length - 1]);
    const again = await heard();
    expect((await publish("--endpoint", again.url)).stdout).toMatch(/^put 0 objects \(0 B\), 9 were there/m);
    expect(puts(again.log)).toEqual([]);
    await sync("--package", "alpha@1.1.0");
    expect((await publish("--json")).stdout).toContain('"tarballs/alpha-1.1.0.tar"');
    const answer = await fetch(urlOf("tarballs/alpha-1.1.0.tar"));
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(newer.bytes);
    expect((await fetch(urlOf("names"))).headers.get("cache-control")).toBe("no-cache");
    // Mix prints the page of an error for it to its user.
    expect(await statusOf("installs/hex-1.x.csv")).toBe(200);
    expect(await statusOf("installs/nothing")).toBe(403);
  });

  test("nothing is removed before --prune, and then what nothing names, and nobody else's", async () => {
    await sync("--package", "alpha@1.1.0");
    await publish();
    await mirrorHere(["prune", "--keep-locks", "app"], { cwd });
    const { stdout } = await publish();
    expect(stdout).not.toMatch(/removed/);
    expect(await statusOf("tarballs/alpha-1.1.0.tar")).toBe(200);
    const preview = await publish("--prune", "--dry-run");
    expect(preview.stdout).toMatch(/^would remove tarballs\/alpha-1\.1\.0\.tar$/m);
    expect(await statusOf("tarballs/alpha-1.1.0.tar")).toBe(200);
    // Somebody else's, by whatever name.
    await putAs("tarballs/theirs-1.0.0.tar", "mine");
    expect((await publish("--prune")).stdout).toMatch(/^removed tarballs\/alpha-1\.1\.0\.tar$/m);
    expect(await statusOf("tarballs/alpha-1.1.0.tar")).toBe(403);
    expect(await statusOf("tarballs/alpha-1.0.0.tar")).toBe(200);
    expect(await statusOf("tarballs/theirs-1.0.0.tar")).toBe(200);
  });

  /** Puts an object as anybody may. */
  const putAs = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const { AwsClient } = await import("aws4fetch");
    const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = store.env;
    const client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "us-east-1" });
    expect((await client.fetch(urlOf(path), { method: "PUT", body, headers })).status).toBe(200);
  };

  test("a tarball that is there as another is never replaced, nor named by what comes after, unless a person says so", async () => {
    await publish();
    const before = await (await fetch(urlOf("names"))).arrayBuffer();
    await putAs("tarballs/alpha-1.1.0.tar", "another", { "x-amz-meta-sha256": "0".repeat(64) });
    await sync("--package", "alpha@1.1.0");
    const { code, stderr } = await publish();
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/another tarballs\/alpha-1\.1\.0\.tar .* --accept-changed alpha@1\.1\.0/),
    ]);
    expect(await (await fetch(urlOf("names"))).arrayBuffer()).toEqual(before);
    expect(await (await fetch(urlOf("tarballs/alpha-1.1.0.tar"))).text()).toBe("another");
    expect((await publish("--accept-changed", "alpha@1.1.0")).code).toBe(0);
    expect(await (await fetch(urlOf("tarballs/alpha-1.1.0.tar"))).bytes()).toEqual(new Uint8Array(newer.bytes));
  });

  test("what is damaged here, or no record lists, does not go there; what is somebody else's there stays", async () => {
    await writeFile(join(cwd, ".mirror/hex/tarballs/stray-1.0.0.tar"), "whatever");
    const first = await publish();
    expect([first.code, first.stderr]).toEqual([
      0,
      expect.stringMatching(/tarballs\/stray-1\.0\.0\.tar: no record lists it/),
    ]);
    expect(await statusOf("tarballs/stray-1.0.0.tar")).toBe(403);
    await appendFile(join(cwd, ".mirror/hex/tarballs/alpha-1.0.0.tar"), "x");
    expect((await publish()).stderr).toMatch(/alpha-1\.0\.0\.tar is not what its record says/);
    expect(await (await fetch(urlOf("tarballs/alpha-1.0.0.tar"))).bytes()).toEqual(new Uint8Array(alpha.bytes));
    await writeFile(join(cwd, ".mirror/hex/tarballs/alpha-1.0.0.tar"), alpha.bytes);
    await putAs("public_key", "theirs");
    expect((await publish()).stderr).toMatch(/public_key, which was not put there by mirror-server, and stays/);
    expect(await (await fetch(urlOf("public_key"))).text()).toBe("theirs");
  });

  test("a mirror without a registry, or with half of one, publishes nothing, and prunes nothing", async () => {
    await publish();
    const refused = async (...args: string[]) => {
      const { code, stderr, stdout } = await publish("--prune", ...args);
      expect(stdout).toBe("");
      expect(await statusOf("packages/alpha")).toBe(200);
      return [code, stderr] as const;
    };
    await mkdir(join(cwd, "nothing"));
    expect(await refused("--hex-dir", "nothing")).toEqual([
      2,
      expect.stringMatching(/nothing holds no signed registry/),
    ]);
    const below = (path: string) => join(cwd, ".mirror/hex", path);
    await rename(below("tarballs"), below("away"));
    expect(await refused()).toEqual([
      1,
      expect.stringMatching(/tarballs\/alpha-1\.0\.0\.tar and 1 more: listed and not here/),
    ]);
    await rename(below("away"), below("tarballs"));
    await rename(below("packages/beta"), below("packages-beta"));
    expect(await refused()).toEqual([1, expect.stringMatching(/packages\/beta: listed and not here/)]);
    await writeFile(below("packages/beta"), "damaged");
    expect(await refused()).toEqual([1, expect.stringMatching(/packages\/beta cannot be published/)]);
    await rename(below("packages-beta"), below("packages/beta"));
    expect((await publish()).code).toBe(0);
  });

  test("what Amazon reads as a space is found under either name", async () => {
    expect((await sync("--package", "alpha@1.2.0+build")).code).toBe(0);
    expect((await publish()).code).toBe(0);
    expect(await statusOf("tarballs/alpha-1.2.0%2Bbuild.tar")).toBe(200);
    expect(await statusOf("tarballs/alpha-1.2.0%20build.tar")).toBe(200);
    expect((await publish("--prune")).stdout).toMatch(/^put 0 objects/m);
  });

  test("an organisation's packages go along only when that is said", async () => {
    hex.publish([secret], { organisation: { name: "acme", token: "t" } });
    await mkdir(join(cwd, "other"));
    await writeFile(join(cwd, "other/mix.lock"), mixLock([], [lockEntry(secret, "", "hexpm:acme")]));
    expect(
      (await run("sync", ["--hex-url", hex.url, "--hex-public-key", key, "other"], { MIRROR_TOKEN_ACME: "t" })).code,
    ).toBe(0);
    expect((await publish()).stdout).toMatch(/^left out the Hex repository hexpm:acme/m);
    expect(await statusOf("repos/acme/names")).toBe(403);
    await publish("--with-private");
    expect(await statusOf("repos/acme/tarballs/secret-1.0.0.tar")).toBe(200);
    // What is wrong with them concerns who publishes them.
    await writeFile(join(cwd, ".mirror/hex/repos/acme/packages/secret"), "damaged");
    expect((await publish()).code).toBe(0);
    expect((await publish("--with-private")).stderr).toMatch(/packages\/secret cannot be published/);
  });

  test("a store that fails for a moment is asked again; one that is not there, or lets nobody in, is named", async () => {
    let failed = 0;
    const flaky = await heard((request, response) => {
      if (request.method !== "PUT" || ++failed > 3) return false;
      if (failed === 1) response.socket?.destroy();
      else response.writeHead(503).end();
      return true;
    });
    expect((await publish("--endpoint", flaky.url)).code).toBe(0);
    const wrong = await run("publish", ["--to", to], { AWS_SECRET_ACCESS_KEY: "wrong" });
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/status 403 \(SignatureDoesNotMatch/)]);
    expect(wrong.stderr).not.toContain(store.env["AWS_ACCESS_KEY_ID"]);
    expect((await run("publish", ["--to", "s3://nowhere-at-all"])).stderr).toMatch(/is there such a bucket\?/);
    expect((await run("publish", [])).stderr).toMatch(/--to s3:\/\/BUCKET/);
    expect((await mirrorHere(["publish", "--to", to], { cwd })).stderr).toMatch(
      /set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/,
    );
  });

  test("two who publish at once wait for each other", async () => {
    const results = await Promise.all([publish(), publish(), publish()]);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(results.filter(({ stdout }) => /^put 9 objects/m.test(stdout))).toHaveLength(1);
    expect(results.filter(({ stdout }) => /^put 0 objects/m.test(stdout))).toHaveLength(2);
  }, 120_000);

  const publicKey = () => join(cwd, ".mirror/hex/public_key");

  test.skipIf(!isInstalled("rebar3", "--version"))("rebar3 fetches from it", async () => {
    await publish();
    const home = join(cwd, "home");
    await mkdir(join(home, ".config/rebar3"), { recursive: true });
    const pem = await readFile(publicKey(), "utf8");
    const repo = `#{name => <<"hexpm">>, repo_public_key => <<"${pem}">>, repo_verify => true, repo_verify_origin => true}`;
    await writeFile(join(home, ".config/rebar3/rebar.config"), `{hex, [{repos, [${repo}]}]}.\n`);
    const app = join(cwd, "rebar");
    await mkdir(join(app, "src"), { recursive: true });
    await writeFile(join(app, "rebar.config"), '{deps, [{alpha, "1.0.0"}]}.\n');
    await writeFile(
      join(app, "src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const { code, output } = await runClient("rebar3", ["get-deps"], {
      cwd: app,
      env: { HOME: home, REBAR_GLOBAL_CONFIG_DIR: home, HEX_CDN: urlOf("").replace(/\/$/, "") },
    });
    expect([code, output]).toEqual([0, expect.stringMatching(/Fetching alpha v1\.0\.0/)]);
    expect(await readFile(join(app, "rebar.lock"), "utf8")).toContain("alpha");
  });

  const archives = hexArchives();

  test.skipIf(archives === undefined)("Hex fetches from it", async () => {
    await publish();
    const app = join(cwd, "mix");
    await mkdir(app);
    await writeFile(
      join(app, "mix.exs"),
      'defmodule App.MixProject do\n  use Mix.Project\n  def project, do: [app: :app, version: "0.1.0", deps: [{:beta, "~> 2.1"}]]\nend\n',
    );
    const env = { HOME: cwd, MIX_ARCHIVES: archives ?? "", HEX_HOME: join(cwd, "hex-home"), ...rebar3ForMix() };
    const add = ["hex.repo", "add", "hexpm", urlOf("").replace(/\/$/, ""), "--public-key", publicKey()];
    expect((await runClient("mix", add, { cwd: app, env })).code).toBe(0);
    const { code, output } = await runClient("mix", ["deps.get"], { cwd: app, env });
    expect([code, output]).toEqual([0, expect.stringMatching(/Getting beta|beta 2\.1\.0/)]);
    expect(await readFile(join(app, "mix.lock"), "utf8")).toContain(beta.outerChecksum);
  });
});
