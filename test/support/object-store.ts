/** An S3 server of Ceph's, where apt can bring it; tests say plainly what they skipped elsewhere. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

const ours = new URL("object-store.sh", import.meta.url).pathname;

export interface ObjectStore {
  readonly endpoint: string;
  readonly bucket: string;
  /** For who may put objects there. */
  readonly env: Readonly<Record<string, string>>;
  readonly stop: () => Promise<void>;
}

export const hasObjectStore =
  spawnSync("apt-get", ["-qq", "--simulate", "install", "radosgw", "ceph-mon", "ceph-osd"], { timeout: 60_000 })
    .status === 0;

/** @param dir where it is unpacked, and logs */
export async function startObjectStore(dir: string, script = ours): Promise<ObjectStore> {
  const { stdout } = await promisify(execFile)(script, ["start", dir]);
  const said = Object.fromEntries(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]),
  );
  const { endpoint = "", bucket = "", access_key = "", secret_key = "" } = said;
  return {
    endpoint,
    bucket,
    env: { AWS_ACCESS_KEY_ID: access_key, AWS_SECRET_ACCESS_KEY: secret_key, AWS_ENDPOINT_URL: endpoint },
    stop: async () => void (await promisify(execFile)(script, ["stop", dir])),
  };
}
