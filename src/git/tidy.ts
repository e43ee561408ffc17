/**
 * One pack with a bitmap, a commit-graph and packed refs: what makes serving cheap. At its best: what was fetched is of use
 * without it, so a repository stays whatever comes of this, and the next change tries again.
 */
import { MirrorError, describeError } from "../errors.ts";
import type { BareRepository } from "./bare-repository.ts";
import { keepEmptyFolders } from "./empty-folders.ts";

/** @param note told why it could not be done @throws MirrorError `cancelled` only */
export async function tidy(repository: BareRepository, note: (text: string) => void): Promise<void> {
  // Neither can be had for a repository without its history.
  const { isShallow } = repository;
  const bitmap = isShallow ? "--no-write-bitmap-index" : "--write-bitmap-index";
  try {
    await repository.run(["repack", "-a", "-d", "-q", bitmap]);
    if (!isShallow) await repository.run(["commit-graph", "write", "--reachable"]);
    await repository.run(["pack-refs", "--all"]);
  } catch (error) {
    if (error instanceof MirrorError && error.code === "cancelled") throw error;
    note(`is here, but could not be packed well, so it is served more slowly: ${describeError(error)}`);
  }
  await keepEmptyFolders(repository.place);
}
