/** Finds and reads the locks that a command was given: files, project folders, umbrellas, or the working folder. */
import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { MirrorError, hasErrno } from "../errors.ts";
import { isFile } from "../disk/files.ts";
import type { Lock, LockKind } from "../lock/entries.ts";
import { projectPolicies } from "./project-policies.ts";
import { projectTools } from "./project-tools.ts";
import { readLock, type ReadLock } from "../lock/read-lock.ts";

type Wanted = Pick<
  Config,
  "lockName" | "packages" | "policies" | "policy" | "files" | "installers" | "hexPolicy" | "hexConfigFile"
>;

/** Of a command (command.ts). */
export interface LockReader {
  readonly cwd: string;
  readonly config: Wanted;
  /** Under which name the mirror knows the lock at each real path. */
  readonly mirror: { readonly lockNames: () => Promise<ReadonlyMap<string, string>> };
}

/**
 * @param given paths as typed; none means the working folder
 * @param mayLack whether the working folder may be without a lock; it also may where the configuration names what to
 *   mirror
 * @returns undefined when it is @throws MirrorError `usage`, `lock_syntax`
 */
export async function readLocks(
  given: readonly string[],
  { cwd, config, mirror }: LockReader,
  { mayLack = false } = {},
): Promise<Lock[] | undefined> {
  const files: string[] = [];
  // As a variable leaves it that nobody set.
  if (given.includes(""))
    throw new MirrorError("usage", "an empty path was given; leave it out, or name a lock or a folder");
  for (const path of given) files.push(...(await findLockFiles(path, cwd)));
  if (given.length === 0) files.push(...(await lockFilesIn(cwd)));
  if (files.length === 0) {
    if (mayLack || namesSomething(config)) return undefined;
    throw noLock(cwd);
  }
  const name = config.lockName;
  const unique = await Promise.all([...new Set(files)].map(readFileOf));
  if (name !== undefined && unique.length > 1) {
    throw new MirrorError(
      "usage",
      `--lock-name names one lock, but there are ${unique.length}: ${unique.map(({ path }) => path).join(", ")}`,
    );
  }
  const names = name === undefined ? nameLocks(unique, await mirror.lockNames()) : [name];
  return Promise.all(
    unique.map(async ({ path, kind, entries }, index) => {
      const policies = await projectPolicies(dirname(path), config);
      const tools = await projectTools(dirname(path), entries);
      return {
        name: names[index] ?? "app",
        kind,
        entries,
        origin: path,
        ...(policies.length === 0 ? {} : { policies }),
        ...(tools.length === 0 ? {} : { tools }),
      };
    }),
  );
}

/** Those of the working folder, for what a command does with or without them: none where they cannot be read. */
export async function projectLocks(reader: LockReader): Promise<readonly Lock[]> {
  return (await readLocks([], reader, { mayLack: true }).catch(() => undefined)) ?? [];
}

/** The files that locks would be in, whether or not they are there. @param given as of `readLocks` */
export async function lockPlaces(given: readonly string[], cwd: string): Promise<string[]> {
  const all: string[] = [];
  for (const path of given.length === 0 ? ["."] : given) {
    const full = resolve(cwd, path);
    const isProject = await stat(full).then(
      (found) => found.isDirectory(),
      () => !/\.(?:lock|toml)$/.test(full),
    );
    all.push(...(isProject ? await candidatesIn(full) : [full]));
  }
  return [...new Set(all)];
}

interface LockFile {
  readonly path: string;
  /** Wherever links lead: one file is one lock. */
  readonly realPath: string;
  readonly kind: LockKind;
}

async function readFileOf(path: string): Promise<LockFile & ReadLock> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new MirrorError("usage", `cannot read the lock ${path}`, { cause });
  }
  return { path, realPath: await realpath(path), ...readLock(bytes, path) };
}

/** An umbrella's own lock, and those of apps below it that keep one for themselves. */
async function findLockFiles(path: string, cwd: string): Promise<string[]> {
  const full = resolve(cwd, path);
  const entry = await stat(full).catch((cause: unknown) => {
    const why = hasErrno(cause, "ENOENT") ? "is not there" : "cannot be read";
    throw new MirrorError(
      "usage",
      `${path} ${why}; give a mix.lock, rebar.lock or manifest.toml, or a folder with one`,
      { cause },
    );
  });
  if (!entry.isDirectory()) return [full];
  const found = await lockFilesIn(full);
  if (found.length === 0) {
    await readdir(full).catch((cause: unknown) => {
      throw new MirrorError("usage", `${path} cannot be read by this user`, { cause });
    });
    throw noLock(full);
  }
  return found;
}

/** What to do depends on the project: an app of an umbrella has no lock of its own, and rebar3 makes its own. */
function noLock(folder: string): MirrorError {
  const [, command = "mix deps.get"] = lockedBy.find(([file]) => isFile(join(folder, file))) ?? [];
  const above = lockAbove(folder);
  const remedy = above === undefined ? `run "${command}" there once, or name a lock` : `there is one in ${above}`;
  return new MirrorError("usage", `there is no mix.lock, rebar.lock or manifest.toml in ${folder}; ${remedy}`);
}

const lockedBy = [
  ["mix.exs", "mix deps.get"],
  ["rebar.config", "rebar3 lock"],
  ["gleam.toml", "gleam deps download"],
] as const;

function lockAbove(folder: string): string | undefined {
  for (let above = dirname(folder); above !== dirname(above); above = dirname(above)) {
    if (locksIn(above).some(isFile)) return above;
  }
  return undefined;
}

function namesSomething({ packages, policies, policy, files, installers }: Wanted): boolean {
  const some = [packages, policies, files].some(({ length }) => length > 0);
  return some || policy !== undefined || installers !== undefined;
}

async function lockFilesIn(full: string): Promise<string[]> {
  return (await candidatesIn(full)).filter(isFile);
}

async function candidatesIn(full: string): Promise<string[]> {
  const apps = await readdir(join(full, "apps")).catch(() => []);
  const folders = [full, ...apps.sort().map((app) => join(full, "apps", app))];
  return folders.flatMap(locksIn);
}

/** The files that they would be. A manifest.toml without a gleam.toml beside it is of some other tool's. */
function locksIn(folder: string): string[] {
  const names = ["mix.lock", "rebar.lock", ...(isFile(join(folder, "gleam.toml")) ? ["manifest.toml"] : [])];
  return names.map((name) => join(folder, name));
}

/**
 * A lock keeps the name that the mirror knows it by. A new one is called by its project's folder, `my_app`,
 * `my_app-rebar` or `my_app-gleam`; where that is another's, by the folder above too, `work-my_app`; and where that is, too, by a number.
 * @param known names, by real path
 */
export function nameLocks(files: readonly LockFile[], known: ReadonlyMap<string, string>): string[] {
  const suffix = { mix: "", rebar: "-rebar", gleam: "-gleam" };
  const short = files.map(({ path, kind }) => clean(basename(dirname(path))) + suffix[kind]);
  const taken = new Set(known.values());
  return files.map(({ path, realPath }, index) => {
    const given = known.get(realPath);
    if (given !== undefined) return given;
    const own = short[index] ?? "app";
    const isAlone = short.filter((other, at) => other === own && !known.has(files[at]?.realPath ?? "")).length === 1;
    const longer = clean(`${basename(dirname(dirname(path)))}-${own}`);
    const numbered = Array.from({ length: files.length + taken.size }, (_, count) => `${longer}-${count + 2}`);
    const name = [...(isAlone ? [own] : []), longer, ...numbered].find((each) => !taken.has(each)) ?? longer;
    taken.add(name);
    return name;
  });
}

function clean(name: string): string {
  const cleaned = name.replace(/[^A-Za-z0-9._-]/g, "_").replace(/^[.-]+/, "");
  return cleaned === "" ? "app" : cleaned.slice(0, 100);
}
