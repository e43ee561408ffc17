/**
 * npm run bench -- company    a company's mirror, on one machine: a writer, a container registry, three replicas behind haproxy, 60
 * clients, and a network without any way out; what each story moves, and whether anything fails
 *
 *   many     three pulling replicas in front of one pulling writer: what is asked of upstream, and how often
 *   image    packed, pushed, one new release, pushed again: the bytes that move
 *   closed   pulled into a folder, checked, unpacked, tampered with; `mix deps.get` and a clone from it
 *   load     one replica stopped and two updated while 60 clients read: what fails, and how much a replica gives
 *   bucket   the Hex tree in an S3 store of Ceph's: what is put, and put again
 *
 * Needs docker-registry, skopeo, haproxy and wrk; Mix with Hex, and apt for Ceph, whose rows are left out without.
 */
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { hexArchives, isInstalled, rebar3ForMix } from "../test/support/clients.ts";
import { freePort } from "../test/support/free-port.ts";
import { makeHexFiles } from "../test/support/hex-files.ts";
import { hasObjectStore, startObjectStore } from "../test/support/object-store.ts";
import { startRegistry } from "../test/support/registry-server.ts";
import { makeTarball, mixLock, type MadeTarball } from "../test/support/tarballs.ts";
import { root as project, started, startNginx, startOurs, type Peer } from "./support/peers.ts";
import { git } from "./support/repositories.ts";
import { printTable } from "./support/table.ts";
import { load } from "./support/wrk.ts";

const packages = 300;
const repositories = 12;
const clients = 60;
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const at = (path: string) => join(root, path);
const ends: (() => Promise<unknown> | void)[] = [];
const rows: string[][] = [["story", "figure"]];
const tell = (story: string, figure: string) => void rows.push([story, figure]);
const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`;
const kilobytes = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
const cleanEnvironment = { PATH: process.env["PATH"] ?? "", HOME: root, LANG: "C.UTF-8", GIT_CONFIG_NOSYSTEM: "1" };

try {
  await main();
  printTable(rows);
} finally {
  for (const end of ends.reverse()) await end();
  rmSync(root, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const tarballs = Array.from({ length: packages }, (_, n) => tarballOf(n, "1.0.0"));
  const hex = await startHex(tarballs);
  mkdirSync(at("upstream/owner"), { recursive: true });
  const revisions = Array.from({ length: repositories }, (_, n) => makeRepository(n));
  const gitHost = await startNginx(at("nginx"), at("upstream"), 4);
  ends.push(gitHost.stop);
  Object.assign(process.env, {
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.${gitHost.url}/.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/",
  });
  await many(hex, tarballs);
  mkdirSync(at("app"));
  const ofGit = revisions.map(
    (revision, n) => `"repo${n}": {:git, "https://github.com/owner/repo${n}.git", "${revision}", []}`,
  );
  writeFileSync(at("app/mix.lock"), mixLock(tarballs, ofGit));
  await ours(["sync", "app", ...hex.flags]);
  await image(hex, tarballs);
  await closed(tarballs);
  await underLoad();
  await bucket();
}

/** Sizes as hex.pm's packages have them: some kilobytes, some a megabyte. */
function tarballOf(n: number, version: string): MadeTarball {
  const size = 4000 * 2 ** (n % 7);
  const files = { "mix.exs": mixExs(`package${n}`), "lib/a.ex": `# ${randomBytes(size).toString("base64")}` };
  return makeTarball({ name: `package${n}`, version, files });
}

function makeRepository(n: number): string {
  const dir = at(`upstream/owner/repo${n}.git`);
  git(root, ["init", "-q", "--bare", "--initial-branch=main", dir]);
  const blob = randomBytes(n % 3 === 0 ? 2_000_000 : 60_000);
  const head = Buffer.from(
    `commit refs/heads/main\ncommitter T <t@t> 1600000000 +0000\ndata 1\nx\nM 644 inline file\ndata ${blob.length}\n`,
  );
  git(dir, ["fast-import", "--quiet"], Buffer.concat([head, blob, Buffer.from("\n")]));
  return git(dir, ["rev-parse", "main"]);
}

/** Each client asks for all, in an order of its own, and every third clones. */
async function many(hex: Hex, tarballs: readonly MadeTarball[]): Promise<void> {
  const flags = [...hex.flags, "--allow-hosts", "127.0.0.1", "--pull"];
  const writer = await peerOf("writer", flags);
  const replicas: Peer[] = [];
  for (const n of [1, 2, 3])
    replicas.push(await peerOf(`pulling-${n}`, ["--pull", "--upstream", writer.url, "--hex-public-key", hex.pem]));
  const front = await balance(replicas);
  const before = hex.log.length;
  const failures: string[] = [];
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let n = 0; n < packages; n++) {
        const { name } = tarballs[(n * 7 + client * 11) % packages] ?? tarballOf(0, "1.0.0");
        for (const path of [`/packages/${name}`, `/tarballs/${name}-1.0.0.tar`]) await get(front + path, failures);
      }
      if (client % 3 !== 0) return;
      const number = client % repositories;
      const to = at(`many-${client}`);
      await run("git", ["clone", "-q", "--bare", `${front}/github.com/owner/repo${number}.git`, to]).catch(
        (error: unknown) => failures.push(String(error)),
      );
      rmSync(to, { recursive: true, force: true });
    }),
  );
  const asked = hex.log.slice(before).filter((path) => /\/(?:packages|tarballs)\//.test(path));
  const most = Math.max(...[...new Set(asked)].map((path) => asked.filter((each) => each === path).length));
  tell(
    "many: requests of 60 clients, through 3 replicas and one writer",
    `${clients * packages * 2} and ${clients / 3} clones, ${failures.length} failed`,
  );
  tell(
    "many: requests for records and tarballs that upstream saw",
    `${asked.length} for ${packages * 2} things, each at most ${most} ×`,
  );
  for (const peer of [...replicas, writer]) await peer.stop();
}

async function image(hex: Hex, tarballs: readonly MadeTarball[]): Promise<void> {
  const registry = await startRegistry(at("registry"));
  ends.push(registry.stop);
  const remote = `docker://${registry.host}/mirror:latest`;
  execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", at("pack.pem")], { stdio: "ignore" });
  execFileSync("openssl", ["pkey", "-in", at("pack.pem"), "-pubout", "-out", at("pack.pub")], { stdio: "ignore" });
  await ours(["pack", "image", "--sign", "pack.pem"]);
  cpSync(at("image"), at("before"), { recursive: true });
  await skopeo("oci:image:latest", remote);
  const first = await registry.held();
  tell("image: packed and pushed", `${kilobytes(first.bytes)} in ${first.count} blobs`);
  await ours(["pack", "image", "--sign", "pack.pem"]);
  await skopeo("oci:image:latest", remote);
  tell("image: packed and pushed again, unchanged", `${(await registry.held()).count - first.count} blobs`);
  const added = tarballOf(3, "1.1.0");
  await hex.publish([...tarballs, added]);
  await ours(["sync", ...hex.flags, "--package", "package3@1.1.0"]);
  cpSync(at("image"), at("anew"), { recursive: true });
  await ours(["pack", "anew"]);
  await skopeo("oci:anew:latest", `docker://${registry.host}/anew:latest`);
  const anew = (await registry.held()).bytes - first.bytes;
  await ours(["pack", "image", "--onto", "image", "--sign", "pack.pem"]);
  const before = (await registry.held()).bytes;
  await skopeo("oci:image:latest", remote);
  const onto = (await registry.held()).bytes - before;
  tell("image: one new release, all packed anew", `${kilobytes(anew)}, ${percent(anew, first.bytes)} of it`);
  tell(
    "image: the same with --onto",
    `${kilobytes(onto)}, ${percent(onto, first.bytes)} of it; the tarball has ${kilobytes(added.bytes.length)}`,
  );
  await skopeo(remote, "oci:pulled:latest");
  cpSync(at("image.sig"), at("pulled.sig"));
}

async function closed(tarballs: readonly MadeTarball[]): Promise<void> {
  cpSync(at("pulled"), at("bad"), { recursive: true });
  cpSync(at("pulled.sig"), at("bad.sig"));
  const largest = readdirSync(at("bad/blobs/sha256")).toSorted(
    (a, b) => statSync(at(`bad/blobs/sha256/${b}`)).size - statSync(at(`bad/blobs/sha256/${a}`)).size,
  )[0];
  appendFileSync(at(`bad/blobs/sha256/${largest}`), "x");
  const refused = await spawnOurs(["unpack", "bad", "--key", "pack.pub", "--mirror", "closed"]);
  tell(
    "closed: a changed byte",
    refused.code === 0 ? "TAKEN" : (/is not what its name says/.exec(refused.stderr)?.[0] ?? refused.stderr),
  );
  await ours(["unpack", "pulled", "--key", "pack.pub", "--mirror", "closed"]);
  const verified = await spawnOurs(["verify", "--deep", "--mirror", "closed"]);
  tell("closed: verify --deep where it arrived", verified.stdout.trim().split("\n").at(-1) ?? "");
  const server = await peerOf("closed-server", ["--read-only", "--mirror", at("closed")]);
  await run("git", ["clone", "-q", "--bare", `${server.url}/github.com/owner/repo1.git`, at("from-closed")]);
  tell("closed: git clone", "ok");
  const archives = isInstalled("mix", "--version") ? hexArchives() : undefined;
  if (archives !== undefined) {
    await depsGet(server.url, tarballs.slice(0, 50), archives);
    tell("closed: mix deps.get of 50 packages", "ok");
  }
  await server.stop();
}

/** 60 readers; one replica is stopped and started, two are updated by their links. */
async function underLoad(): Promise<void> {
  const replicas: Peer[] = [];
  for (const n of [1, 2, 3]) {
    await ours(["unpack", "before", "--mirror", `generation-${n}`]);
    symlinkSync(`generation-${n}`, at(`replica-${n}`));
    replicas.push(await peerOf(`replica-${n}-state`, ["--read-only", "--mirror", at(`replica-${n}`)]));
  }
  const front = await balance(replicas);
  const alone = await load({ url: `${replicas[0]?.url}/tarballs/package0-1.0.0.tar`, connections: 16, seconds: 3 });
  tell("load: requests a second that one replica gives, on this machine", String(Math.round(alone.perSecond)));
  const stop = new AbortController();
  const failures: string[] = [];
  let count = 0;
  const reading = Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let n = client; !stop.signal.aborted; n++) {
        await get(
          `${front}/${n % 2 === 0 ? "packages" : "tarballs"}/package${n % packages}${n % 2 === 0 ? "" : "-1.0.0.tar"}`,
          failures,
        );
        count += 1;
      }
    }),
  );
  await sleep(2000);
  for (const n of [1, 3])
    await run(process.execPath, [join(project, "dist/main.js"), "unpack", "image", "--mirror", `replica-${n}`], root);
  await replicas[1]?.stop();
  await sleep(4000);
  stop.abort();
  await reading;
  tell(
    "load: of 60 clients, one replica stopped, two updated",
    `${count} requests, ${failures.length} failed${failures
      .slice(0, 3)
      .map((each) => `; ${each}`)
      .join("")}`,
  );
}

async function bucket(): Promise<void> {
  if (!hasObjectStore) return;
  const store = await startObjectStore(at("ceph"), join(project, "test/support/object-store.sh"));
  ends.push(store.stop);
  const put = async () =>
    /^put .*$/m.exec(await ours(["publish", "--to", `s3://${store.bucket}/hex`], store.env))?.[0] ?? "";
  tell("bucket: published", await put());
  tell("bucket: published again", await put());
}

async function ours(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await spawnOurs(args, env);
  if (code !== 0) throw new Error(`mirror-server ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function spawnOurs(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(project, "dist/main.js"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...cleanEnvironment, ...env },
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

async function skopeo(from: string, to: string): Promise<void> {
  const options = ["--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
  await run("skopeo", ["--insecure-policy", "copy", "-q", ...options, from, to]);
}

async function peerOf(name: string, flags: readonly string[]): Promise<Peer> {
  mkdirSync(at(name));
  const peer = await startOurs(at(name), flags);
  let isOver = false;
  const stop = async () => {
    if (!isOver) await peer.stop();
    isOver = true;
  };
  ends.push(stop);
  return { ...peer, stop };
}

/** haproxy, as docs/deploy has it. @returns its URL */
async function balance(replicas: readonly Peer[]): Promise<string> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const settings = readFileSync(join(project, "docs/deploy/haproxy.cfg"), "utf8");
  const addressOf = (n: string) => new URL(replicas[Number(n) - 1]?.url ?? "").host;
  const file = at(`haproxy-${port}.cfg`);
  writeFileSync(
    file,
    settings
      .replaceAll(/replica-(\d):8000/g, (_, n: string) => addressOf(n))
      .replaceAll(/replica-\d:8443/g, "127.0.0.1:1")
      .replace("bind :80", `bind 127.0.0.1:${port}`)
      .replace("bind :443", `bind 127.0.0.1:${tlsPort}`),
  );
  const peer = await started(port, [spawn("haproxy", ["-db", "-f", file], { stdio: "ignore", detached: true })]);
  ends.push(peer.stop);
  // Until it knows who is ready.
  await sleep(4000);
  return peer.url;
}

async function get(url: string, failures: string[]): Promise<void> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(60_000) });
    await answer.arrayBuffer();
    if (answer.status !== 200) failures.push(`${new URL(url).pathname}: ${answer.status}`);
  } catch (error) {
    failures.push(`${new URL(url).pathname}: ${String(error)}`);
  }
}

async function run(
  program: string,
  args: readonly string[],
  cwd = root,
  env: Readonly<Record<string, string>> = cleanEnvironment,
): Promise<void> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => (words += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${words}`);
}

async function depsGet(url: string, tarballs: readonly MadeTarball[], archives: string): Promise<void> {
  const cwd = at("closed-app");
  mkdirSync(join(cwd, "hex"), { recursive: true });
  const publicKey = await (await fetch(`${url}/public_key`)).text();
  writeFileSync(
    join(cwd, "hex/hex.config"),
    `{'$repos',#{<<"hexpm">> => #{url => <<"${url}">>,public_key => <<"${publicKey}">>}}}.\n`,
  );
  writeFileSync(join(cwd, "mix.exs"), mixExs("app", tarballs.map(({ name }) => `{:${name}, "1.0.0"}`).join(", ")));
  writeFileSync(join(cwd, "mix.lock"), mixLock(tarballs));
  const env = {
    ...cleanEnvironment,
    HOME: cwd,
    MIX_HOME: join(cwd, "mix"),
    MIX_ARCHIVES: archives,
    HEX_HOME: join(cwd, "hex"),
    HEX_BUILDS_URL: url,
  };
  await run("mix", ["deps.get"], cwd, { ...env, ...rebar3ForMix() });
}

interface Hex {
  readonly flags: readonly string[];
  readonly pem: string;
  /** Paths that were asked for. */
  readonly log: readonly string[];
  readonly publish: (tarballs: readonly MadeTarball[]) => Promise<void>;
}

async function startHex(tarballs: readonly MadeTarball[]): Promise<Hex> {
  const made = await makeHexFiles(tarballs);
  let { files } = made;
  const pem = at("upstream.pem");
  writeFileSync(pem, made.publicKey);
  const log: string[] = [];
  const server = createServer((request, response) => {
    log.push(request.url ?? "");
    const file = files.get(request.url ?? "");
    response.writeHead(file === undefined ? 404 : 200, { "content-length": file?.length ?? 0 }).end(file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    flags: ["--hex-url", url, "--hex-public-key", pem, "--builds-url", url],
    pem,
    log,
    publish: async (all) => void ({ files } = await makeHexFiles(all, made.privateKey)),
  };
}

function mixExs(app: string, deps = ""): string {
  const name = `${app.charAt(0).toUpperCase()}${app.slice(1)}.MixProject`;
  return `defmodule ${name} do\n  use Mix.Project\n  def project, do: [app: :${app}, version: "1.0.0", deps: [${deps}]]\nend\n`;
}
