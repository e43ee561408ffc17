/** What lies in a commit that a mirror has to know of: submodules, and files that are only pointers (Git LFS). */
import { resolveSubmoduleUrl } from "./url.ts";
import type { BareRepository } from "./bare-repository.ts";

export interface Submodule {
  /** Where it lies in the work tree. */
  readonly path: string;
  /** Absolute, as git would resolve it. */
  readonly url: string;
  /** The commit that the parent's commit names. */
  readonly revision: string;
}

/** @param parentUrl the URL that relative ones count from */
export async function listSubmodules(
  repository: BareRepository,
  revision: string,
  parentUrl: string,
): Promise<Submodule[]> {
  const config = await repository.try(["config", "--blob", `${revision}:.gitmodules`, "--list", "-z"]);
  if (config.code !== 0) return [];
  const fields = new Map<string, { path?: string; url?: string }>();
  for (const record of config.stdout.toString("utf8").split("\0")) {
    const [, name, field, value] = /^submodule\.(.+)\.(path|url)\n(.*)$/s.exec(record) ?? [];
    if (name !== undefined && field !== undefined) fields.set(name, { ...fields.get(name), [field]: value });
  }
  const found: Submodule[] = [];
  for (const { path, url } of fields.values()) {
    if (path === undefined || url === undefined) continue;
    const tree = await repository.try(["ls-tree", "-z", revision, "--", path]);
    // A .gitmodules may speak of what is not in the tree any more.
    const commit = /^160000 commit ([0-9a-f]+)\t/.exec(tree.stdout.toString("utf8"))?.[1];
    if (commit !== undefined) found.push({ path, url: resolveSubmoduleUrl(parentUrl, url), revision: commit });
  }
  return found;
}

/** The files of a commit that are Git LFS pointers: their content lies elsewhere and is not mirrored. */
export async function listLfsFiles(repository: BareRepository, revision: string): Promise<string[]> {
  const attributes = ["grep", "-q", "-e", "filter=lfs", revision, "--", "*.gitattributes"];
  if ((await repository.try(attributes)).code !== 0) return [];
  const pointer = "^version https://git-lfs.github.com/spec/v1";
  const { stdout } = await repository.try(["grep", "-l", "-z", "-e", pointer, revision]);
  const names = stdout
    .toString("utf8")
    .split("\0")
    .filter((name) => name !== "");
  return names.map((name) => name.slice(revision.length + 1)).sort();
}
