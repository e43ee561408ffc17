/**
 * npm run bench -- sync [ROUNDS] [MAIN_JS]    a sync of 157 packages, into an empty mirror and once more, and verify
 *
 * Whole processes against a Hex upstream on loopback, tarballs of 60 kB; with MAIN_JS, another build of this program takes
 * turns with this one. The median and the lowest, in seconds.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTarball, mixLock } from "../test/support/tarballs.ts";
import { seconds } from "./support/measure.ts";
import { makeHexFiles } from "../test/support/hex-files.ts";
import { printTable } from "./support/table.ts";

const rounds = Number(process.argv[2] ?? 5);
const mains = [fileURLToPath(new URL("../../dist/main.js", import.meta.url)), ...process.argv.slice(3, 4)];
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const env = { PATH: process.env["PATH"] ?? "", HOME: root };

try {
  await measure();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const { url, close } = await startUpstream();
  const times = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [index, main] of mains.entries()) {
      const mirror = join(root, `mirror-${round}-${index}`);
      const run = (name: string, args: readonly string[]) =>
        timed(times, `${index} ${name}`, main, [...args, "--mirror", mirror]);
      const sync = ["sync", "--hex-url", url, "--hex-public-key", join(root, "upstream.pem")];
      await run("first", sync);
      await run("second", sync);
      await run("verify", ["verify"]);
      rmSync(mirror, { recursive: true });
    }
  }
  close();
  const rows = ["first", "second", "verify"].map((name) => [
    name,
    ...mains.flatMap((_, index) => {
      const sorted = (times.get(`${index} ${name}`) ?? []).toSorted((a, b) => a - b);
      return [sorted[Math.floor(sorted.length / 2)], sorted[0]].map((time) => (time ?? Number.NaN).toFixed(2));
    }),
  ]);
  const titles = ["this build", "the other"].slice(0, mains.length).flatMap((title) => [title, "lowest"]);
  printTable([["157 packages, s", ...titles], ...rows]);
}

async function timed(times: Map<string, number[]>, name: string, main: string, args: readonly string[]): Promise<void> {
  const time = await seconds(async () => {
    const child = spawn(process.execPath, [main, ...args], { cwd: root, env, stdio: ["ignore", "ignore", "inherit"] });
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${args[0]} ended with ${code}`);
  });
  times.set(name, [...(times.get(name) ?? []), time]);
}

async function startUpstream(): Promise<{ readonly url: string; readonly close: () => void }> {
  const tarballs = Array.from({ length: 157 }, (_, n) =>
    makeTarball({
      name: `package${n}`,
      version: "1.0.0",
      files: { "src/a.erl": randomBytes(45_000).toString("base64") },
    }),
  );
  writeFileSync(join(root, "mix.lock"), mixLock(tarballs));
  const { files, publicKey } = await makeHexFiles(tarballs);
  writeFileSync(join(root, "upstream.pem"), publicKey);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    const isSame = request.headers["if-none-match"] === '"1"';
    response.writeHead(file === undefined ? 404 : isSame ? 304 : 200, { etag: '"1"' });
    response.end(isSame ? undefined : file);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
