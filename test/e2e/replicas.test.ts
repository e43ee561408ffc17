/** Read-only servers of one mirror: without keys, without writing, ready when the mirror is whole, and many behind one address. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, readdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { startServer, mirrorServer, type RunningServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { freePort } from "../support/free-port.ts";
import { commit, git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { mirrorHere } from "../support/here.ts";
import { startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { waitUntil } from "../support/processes.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

const newer = makeTarball({ name: "alpha", version: "1.1.0" });

let cwd: string;
let hex: HexUpstream;
let key: string;
let env: Record<string, string>;
let work: string;

/** Two generations of a mirror, as images; the second has one release and one commit more. */
beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha, beta]);
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  work = join(cwd, "upstream/owner/repo.git");
  const revision = await makeRepository(work);
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  await mkdir(at("app"));
  const lock = (commitId: string) =>
    mixLock([alpha, beta], [`"repo": {:git, "https://github.com/owner/repo.git", "${commitId}", []}`]);
  await writeFile(at("app/mix.lock"), lock(revision));
  expect((await sync()).code).toBe(0);
  expect((await run("pack", "first")).code).toBe(0);
  hex.publish([alpha, newer, beta]);
  await writeFile(at("app/mix.lock"), lock(await commit(work, { "more.txt": "more\n" }, "more")));
  expect((await sync("--package", "alpha@1.1.0")).code).toBe(0);
  expect((await run("pack", "second", "--onto", "first")).code).toBe(0);
});

const at = (path: string) => join(cwd, path);
const run = (command: string, ...args: string[]) => mirrorHere([command, ...args], { cwd, env });
const sync = (...args: string[]) => run("sync", "--hex-url", hex.url, "--hex-public-key", key, "app", ...args);
const unpack = async (image: string, dir: string) =>
  expect(await run("unpack", image, "--mirror", dir)).toMatchObject({ code: 0 });
const replica = (dir: string, ...args: string[]) =>
  startServer(["--read-only", "--no-tls", "--mirror", dir, "--cache-dir", at(`cache-${dir}`), ...args], { cwd });
const statusOf = async ({ url }: Pick<RunningServer, "url">, path: string) => (await fetch(`${url}${path}`)).status;
const isReady = async (server: Pick<RunningServer, "url">) => (await statusOf(server, "/health/ready")) === 200;
const hasNewer = async (server: Pick<RunningServer, "url">) =>
  (await statusOf(server, "/tarballs/alpha-1.1.0.tar")) === 200;

describe("a replica", () => {
  test("writes nothing into the mirror, has no key, and fetches nothing", async () => {
    await unpack("first", "mirror");
    const before = await snapshot(at("mirror"));
    const server = await replica("mirror");
    expect(await isReady(server)).toBe(true);
    expect(await statusOf(server, "/tarballs/alpha-1.0.0.tar")).toBe(200);
    await git(cwd, ["clone", "-q", `${server.url}/github.com/owner/repo.git`, "clone"]);
    expect(await statusOf(server, "/tarballs/alpha-1.1.0.tar")).toBe(404);
    expect(await server.stop()).toBe(0);
    expect(await snapshot(at("mirror"))).toEqual(before);
    expect(await readdir(at("mirror"))).not.toContain(".lock");
    expect(await readdir(cwd)).not.toContain("certs");
  });

  test("shows what certs export gave it, and makes no certificate of its own", async () => {
    await unpack("first", "mirror");
    const without = await mirrorServer(
      ["serve", "--read-only", "--mirror", "mirror", "--port", "0", "--tls-port", "0"],
      { cwd },
    );
    expect([without.code, without.stderr]).toEqual([2, expect.stringMatching(/a replica makes no certificate/)]);
    const exported = await run("certs", "export", "replica-certs", "--name", "mirror.corp.example");
    expect([exported.code, exported.stdout]).toEqual([0, expect.stringMatching(/mirror\.corp\.example/)]);
    expect((await readdir(at("replica-certs"))).sort()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
    const files = ["tls-cert tls.crt", "tls-key tls.key", "tls-ca ca.crt"].flatMap((pair) => {
      const [flag, file] = pair.split(" ");
      return [`--${flag}`, at(`replica-certs/${file}`)];
    });
    const server = await startServer(["--read-only", "--mirror", "mirror", ...files], { cwd });
    const ca = await (await fetch(`${server.url}/ca.pem`)).text();
    expect(ca.trim()).toBe((await readFile(at("certs/ca.pem"), "utf8")).trim());
    const github = { ...gitEnvironment, GIT_SSL_CAINFO: at("replica-certs/ca.crt") };
    const { code, output } = await runClient(
      "git",
      ["ls-remote", `https://localhost:${server.tlsPort}/github.com/owner/repo`],
      { cwd, env: github },
    );
    expect([code, output]).toEqual([0, expect.stringMatching(/HEAD/)]);
    // Once more into the same folder, and never over what is somebody else's.
    expect((await run("certs", "export", "replica-certs")).code).toBe(0);
    expect((await run("certs", "renew", "--new-ca")).code).toBe(0);
    expect(await run("certs", "export", "replica-certs")).toMatchObject({ code: 0 });
    expect(await readFile(at("replica-certs/ca.crt"), "utf8")).toBe(await readFile(at("certs/ca.pem"), "utf8"));
    await mkdir(at("mine"));
    await writeFile(at("mine/tls.key"), "mine");
    expect((await run("certs", "export", "mine")).stderr).toMatch(/has a tls\.key of something else/);
    expect(await readFile(at("mine/tls.key"), "utf8")).toBe("mine");
    // As Kubernetes takes it.
    const secret = parse((await run("certs", "export")).stdout) as {
      kind: string;
      type: string;
      data: Record<string, string>;
    };
    expect(secret).toMatchObject({ kind: "Secret", type: "kubernetes.io/tls" });
    expect(Buffer.from(secret.data["ca.crt"] ?? "", "base64").toString()).toBe(
      await readFile(at("certs/ca.pem"), "utf8"),
    );
    expect(Object.keys(secret.data).sort()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
  });

  test("serves an image volume, whose files have no time", async () => {
    await unpack("first", "mirror");
    for (const name of ["", ...(await readdir(at("mirror"), { recursive: true }))])
      await utimes(at(`mirror/${name}`), 0, 0);
    const server = await replica("mirror");
    expect(await isReady(server)).toBe(true);
    const answer = await fetch(`${server.url}/packages/alpha`);
    expect([answer.status, answer.headers.get("age")]).toEqual([200, null]);
    await git(cwd, ["clone", "-q", `${server.url}/github.com/owner/repo.git`, "clone"]);
    const health = (await (await fetch(`${server.url}/health`)).json()) as { git: { hosts: string[] } };
    expect(health.git.hosts).toContain("github.com");
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).not.toMatch(/^mirror_oldest_record_age_seconds \d/m);
    // The same generation as where it was packed, and another than the next.
    const generationOf = (text: string) => /mirror_generation_info\{generation="(\w+)"\}/.exec(text)?.[1];
    await unpack("second", "next");
    const [next, writer] = [await replica("next"), await startServer(["--no-tls"], { cwd })];
    const [second, written] = await Promise.all(
      [next, writer].map(async ({ url }) => generationOf(await (await fetch(`${url}/metrics`)).text())),
    );
    expect(second).toBe(written);
    expect(second).not.toBe(generationOf(metrics));
  });

  test("is no writer, whoever says so", async () => {
    await unpack("first", "mirror");
    const settings = { MIRROR_READ_ONLY: "true" };
    for (const command of ["sync", "build", "prune"]) {
      const { code, stderr } = await mirrorHere([command, "--mirror", "mirror"], { cwd, env: settings });
      expect([code, stderr]).toEqual([2, expect.stringMatching(/which is a replica/)]);
    }
    const deep = await mirrorHere(["verify", "--deep", "--mirror", "mirror"], { cwd, env: settings });
    expect(deep.stderr).toMatch(/for a replica say --dry-run as well/);
    const before = await snapshot(at("mirror"));
    expect((await mirrorHere(["pack", "again", "--mirror", "mirror"], { cwd, env: settings })).code).toBe(0);
    expect(await snapshot(at("mirror"))).toEqual(before);
    expect(await readdir(at("mirror"))).not.toContain(".lock");
    const { stderr } = await mirrorServer(["serve", "--read-only", "--pull", "--mirror", "mirror"], { cwd });
    expect(stderr).toMatch(/neither watches locks nor pulls/);
  });

  test("is not ready before its mirror is there, nor while a part of it is missing; and then is", async () => {
    const server = await replica("later");
    expect(await isReady(server)).toBe(false);
    expect(await (await fetch(`${server.url}/health`)).text()).toMatch(/is not here yet/);
    expect(await statusOf(server, "/health/live")).toBe(200);
    // Nothing is known not to be there.
    expect(await statusOf(server, "/packages/alpha")).toBe(503);
    // A link that leads nowhere yet, repositories alone, and half of the registry, as where it is copied there.
    await symlink("nowhere", at("later"));
    expect(await isReady(server)).toBe(false);
    await rm(at("later"));
    await unpack("first", "whole");
    await mkdir(at("later"));
    await cp(at("whole/git"), at("later/git"), { recursive: true });
    await sleep(1200);
    expect(await isReady(server)).toBe(false);
    await cp(at("whole/hex"), at("later/hex"), { recursive: true });
    await rm(at("later/hex/tarballs/alpha-1.0.0.tar"));
    await sleep(1200);
    expect(await isReady(server)).toBe(false);
    expect(await (await fetch(`${server.url}/health`)).text()).toMatch(/is not whole yet/);
    await cp(at("whole"), at("later"), { recursive: true });
    await waitUntil(() => isReady(server), "the replica to be ready");
    // From then on a part that is missing is no reason to give nothing of the rest.
    await rm(at("later/hex/tarballs/alpha-1.0.0.tar"));
    await sleep(1200);
    expect(await isReady(server)).toBe(true);
  });

  test.each([
    ["one process", []],
    ["workers", ["--workers", "2"]],
  ] as const)("takes a new generation without a restart, by a link and by a rename: %s", async (_, args) => {
    await unpack("first", "one");
    await symlink("one", at("mirror"));
    const server = await replica("mirror", ...args);
    const head = async () =>
      (await git(cwd, ["ls-remote", `${server.url}/github.com/owner/repo.git`, "HEAD"])).split("\t")[0];
    expect(await hasNewer(server)).toBe(false);
    const before = await head();
    await unpack("second", "mirror");
    await waitUntil(() => hasNewer(server), "the new generation");
    const after = await head();
    expect(after).not.toBe(before);
    await unpack("first", "mirror");
    await waitUntil(async () => !(await hasNewer(server)), "the old generation");
    expect(await head()).toBe(before);
    await rm(at("mirror"));
    await unpack("first", "mirror");
    await unpack("second", "next");
    await rename(at("mirror"), at("aside"));
    await rename(at("next"), at("mirror"));
    await waitUntil(() => hasNewer(server), "the new generation");
    expect(await head()).toBe(after);
    expect(await isReady(server)).toBe(true);
  });
});

/** Ports and addresses of this test in a file of docs/deploy. */
const settingsFor = async (name: string, servers: readonly RunningServer[], port: number, tlsPort: number) => {
  const text = await readFile(new URL(`../../docs/deploy/${name}`, import.meta.url), "utf8");
  return text
    .replaceAll(/replica-(\d):8000/g, (_, n) => `127.0.0.1:${servers[Number(n) - 1]?.port}`)
    .replaceAll(/replica-(\d):8443/g, (_, n) => `127.0.0.1:${servers[Number(n) - 1]?.tlsPort ?? 1}`)
    .replace("bind :80", `bind 127.0.0.1:${port}`)
    .replace("bind :443", `bind 127.0.0.1:${tlsPort}`)
    .replace("listen 80;", `listen 127.0.0.1:${port};`)
    .replace("listen 443;", `listen 127.0.0.1:${tlsPort};`)
    .replaceAll("check port 8000", "check port 8000".replace("8000", String(servers[0]?.port)));
};

const startProgram = (program: string, args: readonly string[]) => {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "close");
    }
  });
  return () => output;
};

const balancers = [
  ["haproxy", async (file: string) => startProgram("haproxy", ["-db", "-f", file]), "haproxy.cfg"],
  [
    "nginx",
    async (file: string) => {
      const text = await readFile(file, "utf8");
      // Debian's has the stream module as a file of its own, and this user's folders.
      const folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (each) => `${each}_temp_path ${at(`nginx-${each}`)};`,
      );
      // Debian has what passes TLS on as a package of its own.
      const http = text.slice(0, text.indexOf("# As github.com"));
      await writeFile(
        file,
        `pid ${at("nginx.pid")};\nerror_log stderr;\n${http.replace("http {", `http {\n${folders.join("\n")}`)}`,
      );
      return startProgram("nginx", ["-p", cwd, "-c", file, "-g", "daemon off;"]);
    },
    "nginx.conf",
  ],
] as const;

describe.each(balancers)("three replicas behind %s", (name, start, file) => {
  test.skipIf(!isInstalled(name, "-v"))(
    "one stopped, two updated and one killed under load: no request fails",
    async () => {
      const servers: RunningServer[] = [];
      for (const number of [1, 2, 3]) {
        await unpack("first", `generation-${number}`);
        await symlink(`generation-${number}`, at(`mirror-${number}`));
        servers.push(await replica(`mirror-${number}`));
      }
      const [port, tlsPort] = [await freePort(), await freePort()];
      await writeFile(at(file), await settingsFor(file, servers, port, tlsPort));
      const output = await start(at(file));
      const url = `http://127.0.0.1:${port}`;
      await waitUntil(() => isReady({ url }).catch(() => false), name).catch((error: unknown) => {
        throw new Error(output(), { cause: error });
      });
      await sleep(2500);

      const stop = new AbortController();
      const failures: string[] = [];
      const count = { files: 0, clones: 0 };
      const right = new Map([
        ["/tarballs/alpha-1.0.0.tar", alpha.bytes],
        ["/tarballs/beta-2.1.0.tar", beta.bytes],
      ]);
      const paths = [...right.keys(), "/names", "/versions", "/packages/alpha", "/packages/beta"];
      const reader = async (first: number) => {
        for (let turn = first; !stop.signal.aborted; turn++) {
          const path = paths[turn % paths.length] ?? "/names";
          try {
            const answer = await fetch(url + path, { signal: AbortSignal.timeout(30_000) });
            const body = Buffer.from(await answer.arrayBuffer());
            const expected = right.get(path);
            if (answer.status !== 200 || (expected !== undefined && !body.equals(expected))) {
              failures.push(`${path}: ${answer.status}`);
            }
          } catch (error) {
            failures.push(`${path}: ${String(error)}`);
          }
          count.files += 1;
        }
      };
      // A clone asks twice, the second time for what the first answer named.
      const cloner = async (id: number) => {
        for (let turn = 0; !stop.signal.aborted; turn++) {
          const dir = `clone-${id}-${turn}`;
          const args = ["clone", "-q", `${url}/github.com/owner/repo.git`, dir];
          const { code, output: words } = await runClient("git", args, { cwd, env: gitEnvironment });
          if (code !== 0) failures.push(`git: ${words}`);
          count.clones += 1;
          await rm(at(dir), { recursive: true, force: true });
        }
      };
      const load = Promise.all([...[0, 1, 2, 3, 4].map(reader), ...[0, 1].map(cloner)]);

      await sleep(1000);
      // Updated: the whole of it, as another folder.
      await unpack("second", "mirror-1");
      await sleep(1500);
      // Stopped, as an orchestrator does.
      expect(await servers[1]?.stop("SIGTERM")).toBe(0);
      await sleep(1500);
      await unpack("second", "mirror-3");
      await sleep(1000);
      // What only one of two generations has is found all the same.
      expect(await (await fetch(`${url}/tarballs/alpha-1.1.0.tar`)).bytes()).toEqual(new Uint8Array(newer.bytes));
      servers[1] = await replicaAt("mirror-2", servers[1]?.port ?? 0);
      await sleep(2500);
      // Killed outright: what is asked of it and not answered is asked of another. A long answer would break off.
      await servers[0]?.stop("SIGKILL");
      await sleep(2000);
      stop.abort();
      await load;
      expect(failures).toEqual([]);
      expect(count.files).toBeGreaterThan(100);
      expect(count.clones).toBeGreaterThan(5);
    },
    120_000,
  );
});

test.skipIf(!isInstalled("haproxy", "-v"))(
  "haproxy passes TLS on, and a replica shows its own certificate",
  async () => {
    await unpack("first", "mirror");
    await run("certs", "export", "exported");
    const certificate = [
      "--tls-cert",
      at("exported/tls.crt"),
      "--tls-key",
      at("exported/tls.key"),
      "--tls-ca",
      at("exported/ca.crt"),
    ];
    const server = await startServer(["--read-only", "--mirror", "mirror", ...certificate], { cwd });
    const [port, tlsPort] = [await freePort(), await freePort()];
    await writeFile(at("haproxy.cfg"), await settingsFor("haproxy.cfg", [server, server, server], port, tlsPort));
    startProgram("haproxy", ["-db", "-f", at("haproxy.cfg")]);
    const url = `https://localhost:${tlsPort}/github.com/owner/repo.git`;
    const asked = async () =>
      runClient("git", ["ls-remote", url, "HEAD"], {
        cwd,
        env: { ...gitEnvironment, GIT_SSL_CAINFO: at("exported/ca.crt") },
      });
    await waitUntil(async () => (await asked()).code === 0, "haproxy to pass TLS on");
    expect((await asked()).output).toMatch(/HEAD/);
    const untrusted = await runClient("git", ["ls-remote", url, "HEAD"], { cwd, env: gitEnvironment });
    expect(untrusted.output).toMatch(/certificate/i);
  },
);

const replicaAt = (dir: string, port: number) => replica(dir, "--port", String(port));
