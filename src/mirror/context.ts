/** What every job on a mirror needs. */
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { isFolder } from "../files.ts";
import { readPublicKey } from "../hex/keys.ts";
import { removeLeftovers } from "../store/atomic.ts";
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

/** The name to sign with: as asked for, else as the mirror was made. */
export async function registryName({ config, paths }: Context): Promise<string> {
  return config.registryName ?? (await readRegistryName(paths)) ?? "hexpm";
}

/** How transfers of this job are watched and stopped. */
export function transferOf({ signal, reporter }: Pick<Context, "signal" | "reporter">) {
  return { signal, onBytes: reporter.received };
}

/** A key that an option names. @throws MirrorError `config` */
export async function readKeyFile(file: string, option: string): Promise<KeyObject> {
  const pem = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new MirrorError("config", `${option}: cannot read ${file}`, { cause });
  });
  return readPublicKey(pem, file);
}

/** For what works on a mirror that is there, and must not make one where a name was mistyped. @throws MirrorError */
export async function requireMirror({ paths, config }: Context): Promise<void> {
  if ((await isFolder(paths.mirrorDir)) || (await isFolder(paths.hexDir))) return;
  throw new MirrorError("config", `there is no mirror in ${config.mirrorDir}; give --mirror`);
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
  const { signal } = context;
  const lock = await takeWritersLock(context.paths.lockDir, { onWait: wait ? onWait : undefined, signal });
  try {
    await Promise.all([context.paths.mirrorDir, context.paths.knownLocksDir].map(removeLeftovers));
    return await work({ ...context, signal: AbortSignal.any([signal, lock.signal]) });
  } finally {
    await lock.release();
  }
}
