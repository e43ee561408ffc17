/**
 * What a repository would answer with, as a short text that differs whenever an answer could: HEAD, config, shallow,
 * packed-refs, every loose ref and the tables of a reftable repository, by inode, size and times to the nanosecond.
 * Objects do not count: new ones change no answer until a ref leads to them, and a repack changes how an answer is
 * packed, not what it says.
 *
 * Synchronous on purpose: a handful of stat calls are faster than as many trips to the thread pool. Links are not
 * followed; a repository that has any is not served.
 */
import { lstatSync, readdirSync, type Dirent } from "node:fs";
import { join } from "node:path";
import type { Place } from "../disk/place.ts";
import { hasErrno } from "../errors.ts";

/** undefined when there is no repository. */
export function repositoryState(repository: Place): string | undefined {
  if (!repository.isFolder()) return undefined;
  const dir = repository.path;
  const head = stampOf(join(dir, "HEAD"));
  if (head === undefined) return undefined;
  const files = ["config", "shallow", "packed-refs"].map((name) => stampOf(join(dir, name)) ?? "-");
  const refs: string[] = [];
  for (const folder of ["refs", "reftable"]) collectRefs(Buffer.from(join(dir, folder)), refs);
  return [head, ...files, ...refs].join("\n");
}

/** By bytes: names of refs need be no UTF-8. */
function collectRefs(dir: Buffer, into: string[]): void {
  for (const entry of list(dir)) {
    const path = Buffer.concat([dir, Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) collectRefs(path, into);
    // Names that begin with a dot are no refs to git: placeholders.
    else if (entry.name[0] !== dot) into.push(`${path.toString("latin1")} ${stampOf(path) ?? "-"}`);
  }
}

const dot = ".".charCodeAt(0);

/** A folder that `pack-refs` has just removed has no refs. */
function list(dir: Buffer): Dirent<Buffer>[] {
  try {
    return lstatSync(dir).isDirectory() ? readdirSync(dir, { withFileTypes: true, encoding: "buffer" }) : [];
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function stampOf(path: Buffer | string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
