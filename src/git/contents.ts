/** What lies in a commit that a mirror has to know of: submodules, and files that are only pointers (Git LFS). */
import { resolveSubmoduleUrl } from "./url.ts";
import { tryGit } from "./run.ts";

export interface Submodule {
  /** Where it lies in the work tree. */
  readonly path: string;
  /** Absolute, as git would resolve it. */
  readonly url: string;
  /** The commit that the parent's commit names. */
  readonly revision: string;
}

interface Place {
  readonly dir: string;
  readonly revision: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** @param parentUrl the URL that relative ones count from */
export async function listSubmodules(place: Place, parentUrl: string): Promise<Submodule[]> {
  const { dir, revision, env, signal } = place;
  const options = { env, cwd: dir, signal };
  const config = await tryGit(["config", "--blob", `${revision}:.gitmodules`, "--list", "-z"], options);
  if (config.code !== 0) return [];
  const fields = new Map<string, { path?: string; url?: string }>();
  for (const record of config.stdout.toString("utf8").split("\0")) {
    const [, name, field, value] = /^submodule\.(.+)\.(path|url)\n(.*)$/s.exec(record) ?? [];
    if (name !== undefined && field !== undefined) fields.set(name, { ...fields.get(name), [field]: value });
  }
  const found: Submodule[] = [];
  for (const { path, url } of fields.values()) {
    if (path === undefined || url === undefined) continue;
    const tree = await tryGit(["ls-tree", "-z", revision, "--", path], options);
    // A .gitmodules may speak of what is not in the tree any more.
    const commit = /^160000 commit ([0-9a-f]+)\t/.exec(tree.stdout.toString("utf8"))?.[1];
    if (commit !== undefined) found.push({ path, url: resolveSubmoduleUrl(parentUrl, url), revision: commit });
  }
  return found;
}

/** The files of a commit that are Git LFS pointers: their content lies elsewhere and is not mirrored. */
export async function listLfsFiles({ dir, revision, env, signal }: Place): Promise<string[]> {
  const options = { env, cwd: dir, signal };
  const attributes = ["grep", "-q", "-e", "filter=lfs", revision, "--", "*.gitattributes"];
  if ((await tryGit(attributes, options)).code !== 0) return [];
  const pointer = "^version https://git-lfs.github.com/spec/v1";
  const { stdout } = await tryGit(["grep", "-l", "-z", "-e", pointer, revision], options);
  const names = stdout
    .toString("utf8")
    .split("\0")
    .filter((name) => name !== "");
  return names.map((name) => name.slice(revision.length + 1)).sort();
}
