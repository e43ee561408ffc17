#!/usr/bin/env node
/**
 * Stands in for apache in git's own tests (git/git, t/lib-httpd.sh), which start it by LIB_HTTPD_PATH: each test gets a server of
 * its own, in front of a mirror-server of its own that answers all fetches. Pushes and the dumb protocol, which a mirror does not
 * serve, go to git's own programs, as apache's do.
 *
 *   httpd -v
 *   httpd -d ROOT -f CONFIGURATION [-DSSL] [-DHTTP2] [-DPROXY] [-DDAV] -c "Listen 127.0.0.1:PORT" -k start|stop
 */
import { spawn } from "node:child_process";
import { existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { startMirror } from "./mirror.mjs";
import { serve } from "./serve.mjs";

const { values } = parseArgs({
  options: {
    v: { type: "boolean", short: "v" },
    root: { type: "string", short: "d" },
    configuration: { type: "string", short: "f" },
    define: { type: "string", short: "D", multiple: true, default: [] },
    directive: { type: "string", short: "c", default: "" },
    action: { type: "string", short: "k" },
  },
});
const { root = "" } = values;
const pidFile = `${root}/httpd.pid`;

// As much of a version as the tests look for.
if (values.v === true) process.stdout.write("Server version: Apache/2.4.58\n");
else if (values.action === "start") await start();
else if (values.action === "run") await run();
else if (values.action === "stop") await stop();
else throw new Error(`what is ${process.argv.slice(2).join(" ")}?`);

/** Returns when it answers, and leaves it behind. */
async function start() {
  if (values.define.includes("DAV")) throw new Error("no WebDAV here");
  const log = openSync(`${root}/error.log`, "a");
  const args = process.argv.slice(1).map((arg, index, all) => (all[index - 1] === "-k" ? "run" : arg));
  const child = spawn(process.execPath, args, { cwd: root, detached: true, stdio: ["ignore", log, log] });
  for (; !existsSync(pidFile); await sleep(20)) {
    if (child.exitCode !== null) throw new Error(readFileSync(`${root}/error.log`, "utf8"));
  }
  child.unref();
}

async function run() {
  const mirror = await startMirror(root);
  const end = async (code) => {
    await mirror.stop();
    process.exit(code);
  };
  process.once("SIGTERM", () => void end(0));
  const port = Number(/:(\d+)$/.exec(values.directive)?.[1]);
  await serve({ root, port, defined: new Set(values.define), pidFile }, mirror).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    return end(1);
  });
}

async function stop() {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, "utf8"));
  rmSync(pidFile);
  process.kill(pid, "SIGTERM");
  for (let tries = 0; tries < 500 && isAlive(pid); tries += 1) await sleep(20);
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
