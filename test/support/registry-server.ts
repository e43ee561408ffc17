/** Debian's docker-registry on loopback: the reference, and none of our code. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { waitUntil } from "./processes.ts";

export interface RegistryServer {
  /** `127.0.0.1:5000` */
  readonly host: string;
  /** Blobs that it holds, and their bytes. */
  readonly held: () => Promise<{ readonly count: number; readonly bytes: number }>;
  readonly stop: () => Promise<void>;
}

/** @param dir where it keeps what it is given */
export async function startRegistry(dir: string): Promise<RegistryServer> {
  await mkdir(dir, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(dir, "data") } },
    http: { addr: host },
  };
  await writeFile(join(dir, "config.yml"), JSON.stringify(settings));
  const child = spawn("docker-registry", ["serve", join(dir, "config.yml")], { stdio: "ignore" });
  const closed = once(child, "close");
  await waitUntil(
    () =>
      fetch(`http://${host}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
    "docker-registry",
  );
  return {
    host,
    held: async () => {
      const blobs = join(dir, "data/docker/registry/v2/blobs");
      const names = await readdir(blobs, { recursive: true }).catch(() => []);
      const files = names.filter((name) => name.endsWith("/data"));
      const sizes = await Promise.all(files.map(async (name) => (await stat(join(blobs, name))).size));
      return { count: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
    },
    stop: async () => {
      child.kill();
      await closed;
    },
  };
}
