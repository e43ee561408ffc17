/**
 * The configuration file, and how far its word goes. One that somebody named counts like a flag. One that merely lies in
 * the working folder may have come with a repository that was cloned: it sets up the mirror below its own folder, and
 * neither leads anywhere else nor says what a mirror elsewhere trusts. docs/decisions/0011-trust.md
 */
import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import * as z from "zod";
import { readTextSync } from "./disk/files.ts";
import { MirrorError, hasErrno } from "./errors.ts";
import { nearest } from "./maybe-meant.ts";
import { flagName, options, type Option, type OptionKey } from "./options.ts";
import { holdsRepositories, isMirror, isRegistry } from "./disk/folder-kinds.ts";

export interface ConfigFile {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Whether nobody named it. */
  readonly isFound: boolean;
  readonly isThere: boolean;
}

/** @param given the file that a flag or the environment names @throws MirrorError `config` */
export function readConfigFile(given: string | undefined, cwd: string): ConfigFile {
  const path = resolve(cwd, given ?? "mirror.config.json");
  const isFound = given === undefined;
  let source: string;
  try {
    // Some editors begin a file with a mark of its encoding.
    source = readTextSync(path).replace(/^\uFEFF/, "");
  } catch (cause) {
    if (isFound && hasErrno(cause, "ENOENT")) return { path, values: {}, isFound, isThere: false };
    throw new MirrorError("config", `cannot read the configuration file ${path}; correct --config or MIRROR_CONFIG`, {
      cause,
    });
  }
  let values: unknown;
  try {
    values = JSON.parse(source);
  } catch (cause) {
    throw new MirrorError("config", `${path} is not JSON`, { cause });
  }
  const object = z.record(z.string(), z.unknown()).safeParse(values);
  if (!object.success) throw new MirrorError("config", `${path} must hold one JSON object`);
  const unknown = Object.keys(object.data).filter((key) => !Object.hasOwn(options, key));
  if (unknown.length > 0) {
    const meant = nearest(unknown[0] ?? "", Object.keys(options));
    const remedy = meant === undefined ? `known are ${lasting()}` : `did you mean "${meant}"?`;
    throw new MirrorError("config", `${path}: unknown option "${unknown.join('", "')}"; ${remedy}`);
  }
  refuseCommands(object.data, path);
  return { path, values: object.data, isFound, isThere: true };
}

function lasting(): string {
  const entries = Object.entries<Option>(options).filter(([, { scope }]) => scope === "setting");
  return entries.map(([key]) => key).join(", ");
}

function refuseCommands(values: Readonly<Record<string, unknown>>, path: string): void {
  for (const key of Object.keys(values)) {
    const option: Option = options[key as OptionKey];
    if (option.scope === "command") throw countsOnce(`"${key}" in ${path}`, option);
  }
}

/** @param where `"newKey" in mirror.config.json`, `MIRROR_NEW_KEY` */
export function countsOnce(where: string, option: Option): MirrorError {
  const flag = flagName(option);
  return new MirrorError("config", `${where}: that counts once, and is said each time; take it out, and give ${flag}`);
}

/**
 * A path that a file holds. @param key whose value it is
 * @throws MirrorError `config` for one of a file that was merely found and that leads out of its folder
 */
export function resolveFromFile(path: string, key: OptionKey, file: ConfigFile): string {
  const folder = dirname(file.path);
  const full = resolve(folder, path);
  if (!file.isFound || isBelow(full, folder) || isAlready(key, full)) return full;
  throw refuse(key, file, `${path} lies outside of the file's own folder`);
}

/**
 * @param mirror all that it consists of: its folder, the registry's, the key's
 * @throws MirrorError `config` when a file that was merely found says what a mirror elsewhere trusts
 */
export function refuseTrust(key: OptionKey, file: ConfigFile, mirror: readonly string[]): void {
  const option: Option = options[key];
  const outside = mirror.find((path) => !isBelow(path, dirname(file.path)));
  if (!file.isFound || option.decidesTrust !== true || outside === undefined) return;
  throw refuse(key, file, `the mirror, with ${outside}, lies elsewhere`);
}

function refuse(key: OptionKey, file: ConfigFile, why: string): MirrorError {
  const flag = flagName(options[key]);
  return new MirrorError(
    "config",
    `"${key}" in ${file.path}: ${why}, and a file that is merely found in the working folder has no say there; ` +
      `${flag === "" ? "" : `give ${flag}, or `}name the file with --config ${basename(file.path)}`,
  );
}

/** Really, whatever links say. */
export function isBelow(path: string, folder: string): boolean {
  const way = relative(realPath(folder), realPath(path));
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Of what is not there yet, where it would lie. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** A folder of this user's that is what it is named for. */
function isAlready(key: OptionKey, folder: string): boolean {
  const kinds = { mirror: isMirror, hexDir: isRegistry, gitDir: holdsRepositories } as const;
  const isOne = Object.hasOwn(kinds, key) ? kinds[key as keyof typeof kinds] : undefined;
  try {
    const real = realpathSync(folder);
    const isOurs = process.getuid === undefined || lstatSync(real).uid === process.getuid();
    return isOurs && isOne?.(real) === true;
  } catch {
    return false;
  }
}
