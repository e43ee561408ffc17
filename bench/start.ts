/**
 * npm run bench -- start [ROUNDS]        how long commands take, and `serve` until it is healthy; beside `node -e 0` and nginx
 *
 * Whole processes, taking turns in each round; the median, in milliseconds and as a multiple of `node -e 0`. The mirror is
 * an ordinary one that has been served before: 34 packages, a certificate. Needs nginx.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTarball } from "../test/support/tarballs.ts";
import { interleaved, residentMiB, seconds } from "./support/measure.ts";
import { freePort } from "../test/support/free-port.ts";
import { printTable } from "./support/table.ts";

const rounds = Number(process.argv[2] ?? 15);
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const mirror = join(root, "mirror");
const env = { PATH: process.env["PATH"] ?? "", HOME: root };

try {
  await measure();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  mkdirSync(join(mirror, "hex/tarballs"), { recursive: true });
  for (let n = 0; n < 34; n += 1) {
    const { bytes } = makeTarball({ name: `package${n}`, version: "1.0.0" });
    writeFileSync(join(mirror, `hex/tarballs/package${n}-1.0.0.tar`), bytes);
  }
  writeFileSync(join(root, "mix.lock"), "%{}\n");
  execFileSync(process.execPath, [main, "build", "--mirror", mirror], { cwd: root, env, stdio: "ignore" });
  const idle = await servedOnce();

  const node = "node -e 0";
  const times = await interleaved(rounds, {
    [node]: run(["-e", "0"]),
    "mirror-server --version": run([main, "--version"]),
    "mirror-server verify --help": run([main, "verify", "--help"]),
    "mirror-server status": run([main, "status", "--mirror", mirror]),
    "mirror-server verify": run([main, "verify", "--mirror", mirror]),
    "mirror-server env": run([main, "env", "--mirror", mirror]),
    "mirror-server serve, until healthy": () => untilHealthy(startServe),
    "nginx, until it answers": () => untilHealthy(startNginx),
  });
  const rows = Object.entries(times).map(([name, time]) => [
    name,
    (time * 1000).toFixed(0),
    `${(time / (times[node] ?? Number.NaN)).toFixed(1)} ×`,
  ]);
  printTable([["what", "ms", "node -e 0"], ...rows, ["memory of serve when idle, MiB", idle.toFixed(0), ""]]);
}

function run(args: readonly string[]): () => Promise<number> {
  return () =>
    seconds(async () => {
      await once(spawn(process.execPath, args, { cwd: root, env, stdio: "ignore" }), "close");
    });
}

interface Started {
  readonly port: number;
  readonly stop: () => Promise<void>;
  readonly pid: number;
}

async function startServe(): Promise<Started> {
  const port = await freePort();
  const args = ["serve", "--mirror", mirror, "--port", String(port), "--tls-port", "0", "--log-level", "warn"];
  return started(process.execPath, [main, ...args], port);
}

async function startNginx(): Promise<Started> {
  const port = await freePort();
  const dir = mkdtempSync(join(root, "nginx-"));
  const temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"];
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; ${process.getuid?.() === 0 ? "user root;" : ""} events {}
     http { access_log off; ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join(" ")}
       server { listen 127.0.0.1:${port}; location = /health { return 200; } } }`,
  );
  return started("nginx", ["-c", join(dir, "nginx.conf")], port);
}

function started(program: string, args: readonly string[], port: number): Started {
  const child = spawn(program, args, { cwd: root, env, stdio: "ignore" });
  const closed = once(child, "close");
  const stop = async () => {
    child.kill("SIGTERM");
    await closed;
  };
  return { port, stop, pid: child.pid ?? 0 };
}

/** Seconds from the process's start to its first answer. */
async function untilHealthy(start: () => Promise<Started>): Promise<number> {
  const { stop, time } = await waitForHealth(start);
  await stop();
  return time;
}

async function waitForHealth(start: () => Promise<Started>): Promise<Started & { time: number }> {
  const server = await start();
  const time = await seconds(async () => {
    while (!(await isHealthy(server.port))) await new Promise((resolve) => setTimeout(resolve, 1));
  });
  return { ...server, time };
}

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: "127.0.0.1", port, path: "/health", agent: false }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200));
    }).on("error", () => resolve(false));
  });
}

/** Makes what a first start makes. @returns MiB, half a minute after it was healthy */
async function servedOnce(): Promise<number> {
  for (let starts = 1; ; starts += 1) {
    const { pid, stop } = await waitForHealth(startServe);
    if (starts === 2) await new Promise((resolve) => setTimeout(resolve, 30_000));
    const memory = residentMiB(pid);
    await stop();
    if (starts === 2) return memory;
  }
}
