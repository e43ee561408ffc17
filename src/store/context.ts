/** What every job on a mirror needs. */
import type { KeyObject } from "node:crypto";
import { basename } from "node:path";
import type { Config } from "../config.ts";
import { readText } from "../disk/files.ts";
import { isMirror } from "../disk/folder-kinds.ts";
import { takeWritersLock } from "../disk/writers-lock.ts";
import { MirrorError } from "../errors.ts";
import { readPublicKey } from "../hex/keys.ts";
import { foreignEntries, type ForeignEntry } from "./foreign-entries.ts";
import { readMirrorFile } from "./mirror-file.ts";
import type { StorePaths } from "./paths.ts";
import type { Reporter } from "../reporter.ts";

/** @typeParam Key the settings that a job reads, and no others */
export interface Context<Key extends keyof Config = never> {
  readonly config: Pick<Config, Key>;
  readonly paths: StorePaths;
  readonly reporter: Reporter;
  /** Aborted when the program is asked to stop. */
  readonly signal: AbortSignal;
}

/** The name to sign with: as asked for, else as the mirror was made. */
export async function registryName({ config, paths }: Context<"registryName">): Promise<string> {
  return config.registryName ?? (await readMirrorFile(paths))?.registryName ?? "hexpm";
}

/** Tells of what no job follows, whatever it does then. */
export async function tellForeign({ paths, reporter }: Context): Promise<void> {
  for (const entry of await foreignEntries(paths)) reporter.warn(describeForeign(entry));
}

export function describeForeign({ path, why, option }: ForeignEntry): string {
  const remedy = option === undefined ? "" : `, or keep the whole folder elsewhere with ${option}`;
  return `${path} ${why}, and is neither followed nor served; put what belongs there in its place${remedy}`;
}

/** A key that an option names. @throws MirrorError `config` */
export async function readKeyFile(file: string, option: string): Promise<KeyObject> {
  const pem = await readText(file).catch((cause: unknown) => {
    throw new MirrorError("config", `${option}: cannot read ${file}`, { cause });
  });
  return readPublicKey(pem, `${option}: ${file}`);
}

/** For what works on a mirror that is there, and must not make one where a name was mistyped. @throws MirrorError */
export async function requireMirror(context: Context<"nearby">): Promise<void> {
  const { mirror, hex, git } = context.paths;
  if ([mirror, hex, git].every((place) => place.look()?.isDirectory() !== true)) throw noMirror(context);
  await requireRoom(context.paths);
}

/** A name that was mistyped must not make a mirror of a folder of something else. @throws MirrorError `config` */
export async function requireRoom(paths: StorePaths): Promise<void> {
  const { mirror, hex, git } = paths;
  if (!mirror.isFolder() || isMirror(mirror.realPath()) || [hex, git].some((place) => place.isFolder())) return;
  const { knownLocksDir, upstreamDir, historyDir, filesDir, fileChecksums, quarantine } = paths;
  // What a mirror may be of that was only begun.
  const begun = [knownLocksDir, upstreamDir, historyDir, filesDir, fileChecksums, quarantine];
  const own = new Set(["private_key.pem", ...begun.map(({ path }) => basename(path))]);
  const others = (await mirror.entries()).map(({ name }) => name).filter((name) => !own.has(name));
  if (others.length === 0) return;
  throw new MirrorError(
    "config",
    `${mirror.path} is no mirror, and holds something else (${others.slice(0, 3).join(", ")}); give another folder with --mirror`,
  );
}

/** @param others further ways to say which is meant, as ` or --url` */
export function noMirror({ config, paths }: Context<"nearby">, others = ""): MirrorError {
  const nearby = config.nearby.length === 0 ? "" : ` (${config.nearby.join("; ")})`;
  return new MirrorError(
    "config",
    `there is no mirror in ${paths.mirror.path}; sync one, or give --mirror${others}${nearby}`,
  );
}

/**
 * Runs `work` as the only writer. Its signal ends when the program is stopped or the lock is lost.
 * @param wait for another writer, `patiently`: however long it lives @throws MirrorError `busy`
 */
export async function asOnlyWriter<T, Key extends keyof Config>(
  context: Context<Key>,
  work: (context: Context<Key>) => Promise<T>,
  wait: boolean | "patiently" = true,
): Promise<T> {
  const onWait = () => context.reporter.note("another process is writing to this mirror; waiting for it");
  const { signal } = context;
  const lock = await takeWritersLock(context.paths.lockDir, {
    onWait: wait === false ? undefined : onWait,
    isPatient: wait === "patiently",
    signal,
  });
  try {
    return await work({ ...context, signal: AbortSignal.any([signal, lock.signal]) });
  } finally {
    await lock.release();
  }
}
