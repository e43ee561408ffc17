/** `npm start` ends its server when it is told to end, however it is told. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../support/folder.ts";
import { freePort } from "../support/free-port.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const)("%s to npm alone", async (signal) => {
  const folder = await temporaryFolder();
  const port = await freePort();
  const child = spawn("npm", ["start", "--", "--no-tls"], {
    cwd: root,
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      XDG_CACHE_HOME: folder,
      MIRROR_DIR: folder,
      MIRROR_PORT: `${port}`,
      MIRROR_OFFLINE: "true",
    },
    detached: true,
    stdio: "ignore",
  });
  const group = child.pid ?? 0;
  onTestFinished(() => {
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  });
  const answers = async () =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    );
  await expect.poll(answers, { timeout: 30_000 }).toBe(true);
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
  await expect.poll(answers, { timeout: 20_000 }).toBe(false);
});
