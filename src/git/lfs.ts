/**
 * Git LFS: files of a commit that are pointers, and whose content lies beside the repository, under its SHA-256, where
 * git-lfs has it in a bare repository: `lfs/objects/4d/7a/4d7a…`. Git itself knows nothing of it.
 * https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
 */
import type { Place } from "../disk/place.ts";
import type { BareRepository } from "./bare-repository.ts";

export interface LfsObject {
  /** SHA-256 of its content, 64 hex digits. */
  readonly oid: string;
  /** Bytes. */
  readonly size: number;
}

/** Where its content lies in a bare repository. */
export function lfsPlace(repository: Place, oid: string): Place {
  return repository.at(`lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`);
}

/** Those that are here, by name and size. */
export function isLfsHeld(repository: Place, { oid, size }: LfsObject): boolean {
  return lfsPlace(repository, oid).look()?.size === size;
}

export function isLfsId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

// A pointer has fewer bytes, by the specification.
const maxPointer = 1024;

/** What the files of a commit point to, each once, in the order of their ids. */
export async function listLfsObjects(repository: BareRepository, revision: string): Promise<LfsObject[]> {
  // Most repositories have none, and say so by having no such attribute.
  const attributes = ["grep", "-q", "-e", "filter=lfs", revision, "--", "*.gitattributes"];
  if ((await repository.try(attributes)).code !== 0) return [];
  const { stdout } = await repository.try(["ls-tree", "-r", "-l", "-z", revision]);
  const small = stdout
    .toString("latin1")
    .split("\0")
    .flatMap((line) => {
      const [, id, size] = /^100\d{3} blob ([0-9a-f]+) +(\d+)\t/.exec(line) ?? [];
      return id !== undefined && Number(size) <= maxPointer ? [id] : [];
    });
  const found = new Map<string, LfsObject>();
  for (const text of await readBlobs(repository, [...new Set(small)])) {
    const pointer = readPointer(text);
    if (pointer !== undefined) found.set(pointer.oid, pointer);
  }
  return [...found.values()].sort((a, b) => (a.oid < b.oid ? -1 : 1));
}

/** Where a commit sends clients for its objects, in its `.lfsconfig`; undefined: to the repository's own server. */
export async function lfsUrlIn(repository: BareRepository, revision: string): Promise<string | undefined> {
  const { code, stdout } = await repository.try(["config", "--blob", `${revision}:.lfsconfig`, "--get", "lfs.url"]);
  const url = stdout.toString("utf8").trim();
  if (code !== 0 || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  // What is asked for is put at its end.
  const { search, hash, username, password } = new URL(url);
  return `${search}${hash}${username}${password}` === "" && !/[?#\\]/.test(url) ? url : undefined;
}

/** undefined for what is none. */
export function readPointer(text: string): LfsObject | undefined {
  if (!/^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\n/.test(text)) return undefined;
  const [, oid] = /^oid sha256:([0-9a-f]{64})$/m.exec(text) ?? [];
  const [, size] = /^size (\d{1,15})$/m.exec(text) ?? [];
  return oid === undefined || size === undefined ? undefined : { oid, size: Number(size) };
}

/** As Latin-1, in the order of the ids. */
async function readBlobs(repository: BareRepository, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const text = await repository.run(["cat-file", "--batch"], { input: `${ids.join("\n")}\n` });
  const blobs: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    const [, , size] = text.slice(at, end).split(" ");
    if (end === -1 || size === undefined) return blobs;
    blobs.push(text.slice(end + 1, end + 1 + Number(size)));
    at = end + 1 + Number(size) + 1;
  }
  return blobs;
}
