/**
 * npm run bench -- git        serving git: ours, the nginx stack, node-git-server, and file:// as the limit
 *
 * Everything runs in one go on this machine, peers taking turns, medians of several rounds; only ratios are worth
 * quoting. Needs nginx, fcgiwrap and wrk. The nginx stack serves the repository as `git clone --bare` leaves it; ours
 * serves what `mirror-server sync` makes of it, since that is what users of each have.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuSecondsOfOthers, exchange, interleaved, processTree, residentMiB, seconds } from "./support/measure.ts";
import { printTable } from "./support/table.ts";
import { startNginx, startNodeGitServer, startOurs, type Peer } from "./support/peers.ts";
import { load } from "./support/wrk.ts";
import { git, makeLargeRepository, makeManyRefs } from "./support/repositories.ts";

const rounds = Number(process.argv[2] ?? 7);
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const plain = join(root, "plain");
const prepared = join(root, "ours/.mirror/git/github.com");
const clones = join(root, "clones");
const peers: Peer[] = [];
const rows = [["what", "against", "ours", "nginx, 1 worker", "node-git-server"]];

try {
  await main();
} finally {
  await Promise.all(peers.map((peer) => peer.stop()));
  rmSync(root, { recursive: true, force: true });
}

async function main(): Promise<void> {
  for (const dir of [join(plain, "owner"), join(prepared, "owner"), clones]) mkdirSync(dir, { recursive: true });
  makeLargeRepository(join(plain, "owner/large.git"));
  makeManyRefs(join(plain, "owner/refs.git"), 20_000);
  for (const name of ["large.git", "refs.git"]) {
    const dir = join(prepared, "owner", name);
    cpSync(join(plain, "owner", name), dir, { recursive: true });
    git(dir, ["repack", "-a", "-d", "-q", "--write-bitmap-index"]);
    git(dir, ["commit-graph", "write", "--reachable"]);
  }
  const ours = await add(startOurs(join(root, "ours"), ["--git-max-processes", "8"]));
  const nginx4 = await add(startNginx(join(root, "nginx4"), plain, 4));
  const nginx1 = await add(startNginx(join(root, "nginx1"), plain, 1));
  const ngs = await add(startNodeGitServer(plain));

  const body = cloneRequest();
  const replay = (peer: Peer) => () => seconds(() => replayOnce(peer, body));
  const cold = (work: () => Promise<number>) => async () => {
    forget();
    return work();
  };
  const many = (peer: Peer) => () => seconds(() => replay20(peer, body));

  await replayOnce(ours, body);
  report(
    "one pack request, cold",
    "nginx, 4 workers",
    await interleaved(rounds, {
      ours: cold(replay(ours)),
      "nginx, 4 workers": replay(nginx4),
      "nginx, 1 worker": replay(nginx1),
      "node-git-server": replay(ngs),
    }),
  );
  await replayOnce(ours, body);
  report(
    "one pack request, warm",
    "nginx, 4 workers",
    await interleaved(rounds, {
      ours: replay(ours),
      "nginx, 4 workers": replay(nginx4),
      "node-git-server": replay(ngs),
    }),
  );
  report(
    "20 pack requests at once, cold",
    "nginx, 4 workers",
    await interleaved(3, {
      ours: cold(many(ours)),
      "nginx, 4 workers": many(nginx4),
      "nginx, 1 worker": many(nginx1),
    }),
  );
  report(
    "20 pack requests at once, warm",
    "nginx, 4 workers",
    await interleaved(3, {
      ours: many(ours),
      "nginx, 4 workers": many(nginx4),
    }),
  );

  const refs = (peer: Peer, name: string) => async () =>
    1 /
    (await load({ url: `${peer.url}/owner/${name}/info/refs?service=git-upload-pack`, connections: 8, seconds: 2 }))
      .perSecond;
  report(
    "info/refs, each",
    "nginx, 4 workers",
    await interleaved(3, {
      ours: refs(ours, "large.git"),
      "nginx, 4 workers": refs(nginx4, "large.git"),
      "node-git-server": refs(ngs, "large.git"),
    }),
  );
  report(
    "info/refs of 20,000 refs, each",
    "nginx, 4 workers",
    await interleaved(3, {
      ours: refs(ours, "refs.git"),
      "nginx, 4 workers": refs(nginx4, "refs.git"),
    }),
  );

  const clone = (url: string) => () => seconds(() => cloneOnce(url));
  const clones20 = (url: string) => () => seconds(() => Promise.all(Array.from({ length: 20 }, () => cloneOnce(url))));
  const large = (peer: Peer) => `${peer.url}/owner/large.git`;
  await cloneOnce(large(ours));
  const one = await interleaved(rounds, {
    ours: clone(large(ours)),
    "nginx, 4 workers": clone(large(nginx4)),
    "file://": clone(`file://${join(plain, "owner/large.git")}`),
    unpacking: () => seconds(unpackOnce),
  });
  report("one real clone, warm", "nginx, 4 workers", one);
  report("  the client's unpacking alone", "nginx, 4 workers", { ...one, ours: one["unpacking"] ?? Number.NaN });
  report("  against file://", "file://", one);
  report(
    "20 real clones at once, warm",
    "nginx, 4 workers",
    await interleaved(3, {
      ours: clones20(large(ours)),
      "nginx, 4 workers": clones20(large(nginx4)),
    }),
  );

  report("server CPU seconds of 10 warm clones", "nginx, 4 workers", {
    ours: await cpuOf(large(ours)),
    "nginx, 4 workers": await cpuOf(large(nginx4)),
  });
  const { most, processes } = await memory(ours, body);
  rows.push(["MiB at most, with 50 clones, half of them stalled", "", most.toFixed(0), "", ""]);
  rows.push(["git processes at most, likewise", "", String(processes), "", ""]);
  printTable(rows);
}

async function add(starting: Promise<Peer>): Promise<Peer> {
  const peer = await starting;
  peers.push(peer);
  return peer;
}

/** What `git clone -q` asks for after it has seen the refs, in version 0, which all of the peers speak. */
function cloneRequest(): string {
  const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, "0")}${text}`;
  const refs = git(join(plain, "owner/large.git"), ["for-each-ref", "--format=%(objectname)"]).split("\n");
  const wants = [...new Set(refs)].map((id, n) =>
    line(
      `want ${id}${n === 0 ? " multi_ack_detailed no-done side-band-64k thin-pack no-progress include-tag ofs-delta agent=git/2.39.5" : ""}\n`,
    ),
  );
  return `${wants.join("")}0000${line("done\n")}`;
}

async function replayOnce(peer: Peer, body: string): Promise<void> {
  const headers = { "content-type": "application/x-git-upload-pack-request" };
  const bytes = await exchange(`${peer.url}/owner/large.git/git-upload-pack`, { body, headers });
  if (bytes < 10_000_000) throw new Error(`an answer of ${bytes} bytes holds no pack`);
}

/** By curl, so that it is the server that is measured: one Node process is no match for 20 answers at once. */
async function replay20(peer: Peer, body: string): Promise<void> {
  const file = join(root, "request");
  writeFileSync(file, body);
  const url = `${peer.url}/owner/large.git/git-upload-pack?n=[1-20]`;
  const type = "content-type: application/x-git-upload-pack-request";
  const args = [
    "-sS",
    "--no-progress-meter",
    "--fail",
    "--noproxy",
    "*",
    "-Z",
    "--parallel-immediate",
    "--parallel-max",
    "20",
  ];
  const child = spawn("curl", [...args, "-H", type, "--data-binary", `@${file}`, "-o", "/dev/null", url], {
    stdio: "inherit",
  });
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`curl ended with ${code}`);
}

/** Makes every answer that ours has kept one of another state. */
function forget(): void {
  utimesSync(join(prepared, "owner/large.git/config"), new Date(), new Date());
}

async function cloneOnce(url: string): Promise<void> {
  const dir = mkdtempSync(join(clones, "c-"));
  const child = spawn("git", ["clone", "-q", "--no-local", "--bare", url, join(dir, "c")], { stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number];
  rmSync(dir, { recursive: true, force: true });
  if (code !== 0) throw new Error(`git clone ${url} ended with ${code}`);
}

/** What a clone comes to where the server and the way take no time at all. */
async function unpackOnce(): Promise<void> {
  const pack = join(root, "clone.pack");
  const into = mkdtempSync(join(clones, "u-"));
  git(into, ["init", "-q", "--bare"]);
  if (!existsSync(pack)) {
    const packed =
      readdirSync(join(prepared, "owner/large.git/objects/pack")).find((name) => name.endsWith(".pack")) ?? "";
    cpSync(join(prepared, "owner/large.git/objects/pack", packed), pack);
  }
  const stdin = openSync(pack, "r");
  const child = spawn("git", ["index-pack", "--stdin", "--fix-thin"], {
    cwd: into,
    stdio: [stdin, "ignore", "inherit"],
  });
  const [code] = (await once(child, "close")) as [number];
  closeSync(stdin);
  rmSync(into, { recursive: true, force: true });
  if (code !== 0) throw new Error(`git index-pack ended with ${code}`);
}

async function cpuOf(url: string): Promise<number> {
  const before = cpuSecondsOfOthers();
  for (let n = 0; n < 10; n++) await cloneOnce(url);
  return cpuSecondsOfOthers() - before;
}

/** 50 clones at once, half of which read nothing for a while. */
async function memory(ours: Peer, body: string): Promise<{ most: number; processes: number }> {
  forget();
  const [pid = 0] = ours.pids();
  let most = 0;
  let processes = 0;
  const watch = setInterval(() => {
    most = Math.max(most, residentMiB(pid));
    processes = Math.max(processes, processTree(pid).length - 1);
  }, 20);
  const port = Number(new URL(ours.url).port);
  const slow = Array.from({ length: 25 }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.write(
      `POST /owner/large.git/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    socket.pause();
    return socket;
  });
  await Promise.all(Array.from({ length: 25 }, () => replayOnce(ours, body)));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  clearInterval(watch);
  for (const socket of slow) socket.destroy();
  return { most, processes };
}

function report(what: string, against: string, results: Record<string, number>): void {
  const base = results[against] ?? Number.NaN;
  const of = (name: string) => {
    const value = results[name];
    return value === undefined ? "" : `${(base / value).toFixed(2)} ×`;
  };
  rows.push([what, against, of("ours"), of("nginx, 1 worker"), of("node-git-server")]);
}
