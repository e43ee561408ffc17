/** What every job on a mirror needs. */
import { readFile } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { hexpmPublicKey, readPublicKey } from "../hex/keys.ts";
import { readIfPresent } from "../store/atomic.ts";
import { readRegistryName } from "../store/mirror-file.ts";
import type { StorePaths } from "../store/paths.ts";
import { takeWritersLock } from "../store/writers-lock.ts";
import type { Reporter } from "./reporter.ts";

export interface Context {
  readonly config: Config;
  readonly paths: StorePaths;
  readonly reporter: Reporter;
  /** Aborted when the program is asked to stop. */
  readonly signal: AbortSignal;
}

/** What Hex calls the public repository; upstream's records carry this name. */
export const upstreamRepository = "hexpm";

/** The name to sign with: as asked for, else as the mirror was made. */
export async function registryName({ config, paths }: Context): Promise<string> {
  return config.registryName ?? (await readRegistryName(paths)) ?? "hexpm";
}

/** The key that downloads must be signed with: as given, else hex.pm's. Never one from the mirror's folder. */
export async function upstreamKey({ config }: Context): Promise<KeyObject> {
  const file = config.hexPublicKeyFile;
  if (file === undefined) return readPublicKey(hexpmPublicKey, "hex.pm's key");
  const pem = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new MirrorError("config", `--hex-public-key: cannot read ${file}`, { cause });
  });
  return readPublicKey(pem, file);
}

/** The key of the records that the mirror holds: as given, else the one that the last sync verified them with. */
export async function heldRecordsKey(context: Context): Promise<KeyObject> {
  const file = context.paths.upstreamPublicKey(upstreamRepository);
  const pem = context.config.hexPublicKeyFile === undefined ? await readIfPresent(file) : undefined;
  return pem === undefined ? upstreamKey(context) : readPublicKey(pem.toString("utf8"), file);
}

/**
 * Runs `work` as the only writer. Its signal ends when the program is stopped or the lock is lost.
 * @param wait whether to wait for another writer @throws MirrorError `busy`
 */
export async function asOnlyWriter<T>(
  context: Context,
  work: (context: Context) => Promise<T>,
  wait = true,
): Promise<T> {
  const onWait = () => context.reporter.note("another process is writing to this mirror; waiting for it");
  const lock = await takeWritersLock(context.paths.lockDir, wait ? onWait : undefined);
  try {
    return await work({ ...context, signal: AbortSignal.any([context.signal, lock.signal]) });
  } finally {
    await lock.release();
  }
}
