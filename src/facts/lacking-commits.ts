/** Which commits that locks name are not in the repositories that are here: what only git can tell. */
import type { Artifact } from "../artifacts/artifact.ts";
import { repositoryState } from "../git/repository-state.ts";
import type { Item } from "../names/item.ts";
import type { StorePaths } from "../store/paths.ts";
import { findRepository } from "../store/repositories.ts";
import type { LacksOf } from "./coverage.ts";

/** Git is asked once for each state of a repository. */
export function rememberLacks(paths: StorePaths): LacksOf {
  const known = new Map<string, { readonly state: string; readonly lacks: Promise<readonly Item[]> }>();
  return async <Job>(kind: Artifact<Job>, job: Job): Promise<readonly Item[]> => {
    if (kind.lacks === undefined) return [];
    const [first] = kind.items(job);
    if (first?.item.kind !== "git") return kind.lacks(job);
    const { host, path } = first.item;
    const place = await findRepository(paths, host, path);
    const state = `${place === undefined ? "" : (repositoryState(place) ?? "")} ${JSON.stringify(job)}`;
    const before = known.get(first.keys[0] ?? "");
    if (before?.state === state) return before.lacks;
    const key = first.keys[0] ?? "";
    const forget = (items: readonly Item[]) => {
      known.delete(key);
      return items;
    };
    const lacks = kind.lacks(job).then(
      // What lies beside a repository may come without a change of it.
      (items) => (items.some((item) => item.kind === "lfs") ? forget(items) : items),
      // Git may be there the next time.
      () => forget([]),
    );
    known.set(key, { state, lacks });
    return lacks;
  };
}
