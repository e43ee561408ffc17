/**
 * Is a folder a bare repository that git may be run in? Asked before every run. Git itself would go up to the next
 * repository above where this one is damaged, into a `.git` where there is one, and along every link; so what is not
 * plainly a bare repository, with folders and regular files in it and settings that are honest, is not used.
 *
 * Synchronous, and remembered for as long as none of the folders that were looked into has changed.
 */
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import type { Place } from "../disk/place.ts";
import { stampOf } from "../disk/stamp.ts";
import { MirrorError, describeError } from "../errors.ts";
import { judgeConfig } from "./settings.ts";

/** What the git of this machine can do. */
export interface GitFeatures {
  readonly reftable: boolean;
  /** Whether it takes the name of the file that it reads first from its environment. */
  readonly systemFile: boolean;
}

export type Inspection =
  /** `unserved`: why it is kept and not served, if it is so. */
  | { readonly state: "plain"; readonly unserved?: string | undefined }
  /** It is no repository any more: the next sync fetches it anew. */
  | { readonly state: "damaged"; readonly reason: string }
  /** Somebody made it so: it is left as it is until somebody changes it. */
  | { readonly state: "refused"; readonly reason: string }
  /** It is whole, and the git here is too old for it. */
  | { readonly state: "unsupported"; readonly reason: string };

interface Remembered {
  readonly stamp: string;
  readonly folders: readonly (Buffer | string)[];
  readonly inspection: Inspection;
}

const remembered = new LRUCache<string, Remembered>({ max: 10_000 });

export function inspectRepository(place: Place, features: Pick<GitFeatures, "reftable">): Inspection {
  let dir: string;
  try {
    if (place.look()?.isDirectory() !== true) return damaged("it is no folder");
    dir = place.path;
  } catch (error) {
    return damaged(describeError(error));
  }
  const known = remembered.get(dir);
  if (known !== undefined && stampOfAll(dir, known.folders) === known.stamp) return known.inspection;
  const folders: (Buffer | string)[] = [];
  try {
    const inspection = inspect(dir, folders, features);
    remembered.set(dir, { stamp: stampOfAll(dir, folders), folders, inspection });
    return inspection;
  } catch (error) {
    // It may be whole, and be read again in a moment.
    return refused(`it cannot be read: ${describeError(error)}`);
  }
}

/** Why a repository is not served; undefined where it is. */
export function unservedReason(place: Place, features: Pick<GitFeatures, "reftable">): string | undefined {
  const inspection = inspectRepository(place, features);
  return inspection.state === "plain" ? inspection.unserved : inspection.reason;
}

/**
 * The reason is told to the client, too: whoever set it may be the one who asks. Where the copy lies is not.
 * @throws MirrorError `refused` for a wish of its owner's, which is no failure; `git` for what is wrong with it
 */
export function requireServed(place: Place, features: Pick<GitFeatures, "reftable">): void {
  const reason = unservedReason(place, features);
  if (reason === undefined) return;
  const shown = reason.replaceAll(place.path, "").replace(/^\/+/, "");
  const code = inspectRepository(place, features).state === "plain" ? "refused" : "git";
  throw new MirrorError(code, `the mirror does not serve its copy of this repository, since ${shown}`);
}

/** @throws MirrorError `git` saying why it is not used and what to do */
export function requirePlain(place: Place, features: Pick<GitFeatures, "reftable">): void {
  const inspection = inspectRepository(place, features);
  if (inspection.state === "plain") return;
  const { reason } = inspection;
  const remedy =
    inspection.state === "damaged" ? "sync again to fetch it anew" : "change that, or delete the folder and sync again";
  throw new MirrorError("git", `${place.path} is not used, since ${reason}; ${remedy}`);
}

/** Whether it has the shape of one, damaged or not: for telling it from a folder that somebody called so. */
export function isRepository(place: Place): boolean {
  const has = (name: string) => place.at(name).look() !== undefined;
  try {
    return place.at("objects").isFolder() && ["HEAD", "packed-refs", "refs"].some(has);
  } catch {
    return false;
  }
}

// Never run: git is told another folder for them, and forges put links there. What lies in Git LFS git does not know of.
const unread = /^(?:(?:custom_)?hooks(?:\.old\..*)?|lfs)$/;
// What git reads of a repository and that no folder's time tells of.
const files = ["HEAD", "config", "objects/info/alternates", "objects/info/http-alternates"];

function inspect(dir: string, folders: (Buffer | string)[], features: Pick<GitFeatures, "reftable">): Inspection {
  if (lstatSync(join(dir, ".git"), { throwIfNoEntry: false }) !== undefined) return damaged("it holds a .git");
  const foreign = foreignIn(Buffer.from(dir), folders);
  if (foreign !== undefined) return refused(`${foreign} is no regular file or folder`);
  const large = files.find((file) => (lstatSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0) > maxTextSize);
  if (large !== undefined) return refused(`its ${large} has more than ${maxTextSize} bytes`);
  const head = textOf(join(dir, "HEAD")).trim();
  if (!/^(?:ref:\s*refs\/\S+|[0-9a-f]{40}|[0-9a-f]{64})$/.test(head)) return damaged("its HEAD cannot be read");
  for (const folder of ["objects", "refs"]) {
    if (lstatSync(join(dir, folder), { throwIfNoEntry: false })?.isDirectory() === true) continue;
    return damaged(`it has no folder ${folder}: git drops empty ones, and serve and sync put them back`);
  }
  for (const name of ["objects/info/alternates", "objects/info/http-alternates"]) {
    const lines = textOf(join(dir, name)).split("\n");
    if (lines.some((line) => line.trim() !== "" && !line.startsWith("#"))) {
      return refused(`it has ${name}, which sends git to other folders`);
    }
  }
  if (lstatSync(join(dir, "commondir"), { throwIfNoEntry: false }) !== undefined) {
    return refused("it has a commondir, which sends git to another folder");
  }
  if (lstatSync(join(dir, "info", "grafts"), { throwIfNoEntry: false }) !== undefined) {
    return refused("it has info/grafts, which makes another history of it");
  }
  // Git takes a repository without one for what it seems to be.
  const { refused: setting, unsupported, unserved } = judgeConfig(textOf(join(dir, "config")), features);
  if (setting !== undefined) return refused(setting);
  return unsupported === undefined ? { state: "plain", unserved } : { state: "unsupported", reason: unsupported };
}

/**
 * By bytes: names of refs need be no UTF-8.
 * @param folders takes every folder that was looked into @returns the first that is neither file nor folder
 */
function foreignIn(dir: Buffer, folders: (Buffer | string)[]): string | undefined {
  const isTop = folders.length === 0;
  folders.push(isTop ? dir.toString() : dir);
  for (const entry of readdirSync(dir, { withFileTypes: true, encoding: "buffer" })) {
    if (isTop && unread.test(entry.name.toString())) continue;
    const path = Buffer.concat([dir, Buffer.from("/"), entry.name]);
    if (!entry.isDirectory() && !entry.isFile()) return path.toString();
    const found = entry.isDirectory() ? foreignIn(path, folders) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

// None of them is long in an honest repository.
const maxTextSize = 1024 * 1024;

/** Empty for what is not there. */
function textOf(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(path, "utf8") : "";
}

function stampOfAll(dir: string, folders: readonly (Buffer | string)[]): string {
  const stamp = (path: Buffer | string): string => {
    try {
      return stampOf(path) ?? "-";
    } catch {
      return "-";
    }
  };
  return [...folders, ...files.map((file) => join(dir, file))].map(stamp).join("\n");
}

function damaged(reason: string): Inspection {
  return { state: "damaged", reason };
}

function refused(reason: string): Inspection {
  return { state: "refused", reason };
}
