/**
 * Is a commit here, whole, and what its name says? Every object of its tree is hashed anew: a flipped bit on the disk
 * shows, which neither git's reading nor its connectivity checks promise.
 */
import { createHash } from "node:crypto";
import { MirrorError } from "../errors.ts";
import type { BareRepository } from "./bare-repository.ts";
import { commitOf, isReachable } from "./pins.ts";

export type CommitState =
  | { readonly state: "ok" }
  | { readonly state: "missing"; readonly reason: string }
  | { readonly state: "damaged"; readonly reason: string };

export async function checkCommit(repository: BareRepository, revision: string): Promise<CommitState> {
  const commit = await commitOf(repository, revision);
  if (commit === undefined) return { state: "missing", reason: "the commit is not here" };
  // Its history, which every clone needs, then its own objects.
  const history = await repository.try(["rev-list", "--quiet", commit]);
  if (history.code !== 0) return { state: "damaged", reason: "its history is not whole" };
  const list = await repository.try(["rev-list", "--objects", "--no-object-names", `${commit}^{tree}`]);
  if (list.code !== 0) return { state: "damaged", reason: "its tree is not whole" };
  const objects = [
    ...new Set([revision, commit]),
    ...list.stdout
      .toString("latin1")
      .split("\n")
      .filter((id) => id !== ""),
  ];
  const wrong = await firstWrongObject(repository, objects);
  if (wrong !== undefined) return { state: "damaged", reason: `the object ${wrong} is damaged` };
  if (!(await isReachable(repository, commit))) {
    return { state: "missing", reason: "no head of the mirror leads to the commit, so clients cannot check it out" };
  }
  if (revision !== commit && ![...(await repository.refs()).values()].includes(revision)) {
    return { state: "missing", reason: "no tag of the mirror leads to it, so clients cannot check it out" };
  }
  return { state: "ok" };
}

/** Reads objects through `cat-file --batch` and hashes them as they come by; memory does not grow with their size. */
async function firstWrongObject(repository: BareRepository, objects: readonly string[]): Promise<string | undefined> {
  const hasher = new BatchHasher();
  try {
    await repository.run(["cat-file", "--batch"], {
      input: `${objects.join("\n")}\n`,
      onStdout: (chunk) => hasher.add(chunk),
    });
  } catch (error) {
    if (!(error instanceof MirrorError) || error.code !== "git") throw error;
    // Git gave up on one: the first that it did not deliver.
    return hasher.wrong ?? objects[hasher.seen] ?? objects[0];
  }
  return hasher.wrong ?? (hasher.seen === objects.length ? undefined : objects[hasher.seen]);
}

/** Parses `ID TYPE SIZE\n CONTENT \n` records and compares each ID with its content's hash. */
class BatchHasher {
  wrong: string | undefined;
  seen = 0;
  private header = "";
  private left = 0;
  private hash: ReturnType<typeof createHash> | undefined;
  private id = "";

  add(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.hash === undefined ? this.readHeader(chunk, at) : this.readContent(chunk, at);
  }

  private readHeader(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(0x0a, at);
    this.header += chunk.toString("latin1", at, end === -1 ? chunk.length : end);
    if (end === -1) return chunk.length;
    const [id = "", type = "", size] = this.header.split(" ");
    this.header = "";
    this.id = id;
    if (size === undefined) {
      // `ID missing`
      this.wrong ??= id;
      this.seen += 1;
      return end + 1;
    }
    this.left = Number(size);
    this.hash = createHash(id.length === 64 ? "sha256" : "sha1").update(`${type} ${size}\0`);
    return end + 1;
  }

  private readContent(chunk: Buffer, at: number): number {
    if (this.left > 0) {
      const end = Math.min(chunk.length, at + this.left);
      this.hash?.update(chunk.subarray(at, end));
      this.left -= end - at;
      return end;
    }
    // The line feed after the content.
    if (this.hash?.digest("hex") !== this.id) this.wrong ??= this.id;
    this.hash = undefined;
    this.seen += 1;
    return at + 1;
  }
}
