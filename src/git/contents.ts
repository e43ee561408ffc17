/** What lies in a commit that a mirror has to know of: its submodules. */
import { resolveSubmoduleUrl } from "../names/git-url.ts";
import type { BareRepository } from "./bare-repository.ts";
import { parseConfig, type Setting } from "./config-file.ts";

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
  const fields = new Map<string, { path?: string; url?: string; update?: string }>();
  for (const { name, value } of await readGitmodules(repository, revision)) {
    const [, submodule, field] = /^submodule\.(.+)\.(path|url|update)$/s.exec(name) ?? [];
    if (submodule !== undefined && field !== undefined) {
      fields.set(submodule, { ...fields.get(submodule), [field]: value });
    }
  }
  const found: Submodule[] = [];
  for (const { path, url, update } of fields.values()) {
    // What the project itself says is not to be fetched, no client fetches.
    if (path === undefined || url === undefined || update === "none") continue;
    const tree = await repository.try(["ls-tree", "-z", revision, "--", path]);
    // A .gitmodules may speak of what is not in the tree any more.
    const commit = /^160000 commit ([0-9a-f]+)\t/.exec(tree.stdout.toString("utf8"))?.[1];
    if (commit !== undefined) found.push({ path, url: resolveSubmoduleUrl(parentUrl, url), revision: commit });
  }
  return found;
}

// Bytes.
const maxGitmodules = 1024 * 1024;

/**
 * Read as data: git's own reading would follow an `[include]` of upstream's to a file of this machine.
 * @returns none where there is none, a link, or one that git could not read either
 */
async function readGitmodules(repository: BareRepository, revision: string): Promise<readonly Setting[]> {
  const tree = await repository.try(["ls-tree", "-z", "-l", revision, "--", ".gitmodules"]);
  const [, id, size] = /^100[0-7]{3} blob ([0-9a-f]+) +(\d+)\t/.exec(tree.stdout.toString("utf8")) ?? [];
  if (id === undefined || Number(size) > maxGitmodules) return [];
  const { code, stdout } = await repository.try(["cat-file", "blob", id]);
  try {
    return code === 0 ? parseConfig(stdout.toString("utf8")) : [];
  } catch {
    return [];
  }
}
