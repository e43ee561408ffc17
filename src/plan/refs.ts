/**
 * Which of upstream's refs a mirrored repository gets, from what every lock says of it. Pure.
 *
 *   all       heads and tags
 *   locked    the branch or tag that an entry names, or the default branch where it names none
 *   shallow   locked commits without their history; only where every entry asks for a depth, since a client that asks
 *             without one cannot use a shallow mirror at all
 */
import type { GitDemand } from "./repositories.ts";

export interface RefsWanted {
  readonly kind: "all" | "locked" | "shallow";
  /** `refs/heads/main`, `refs/tags/v1`; of no meaning for `all`. */
  readonly names: readonly string[];
  /** Whether upstream's default branch is wanted besides. */
  readonly defaultBranch: boolean;
}

export interface RefsPolicy {
  readonly refs: "all" | "locked";
  readonly shallow: boolean;
}

export function refsWanted(entries: readonly GitDemand[], { refs, shallow }: RefsPolicy): RefsWanted {
  const isShallow = shallow && entries.every(({ options }) => (options.depth ?? 0) > 0);
  if (!isShallow && refs === "all") return { kind: "all", names: [], defaultBranch: true };
  const names = new Set<string>();
  let defaultBranch = false;
  for (const { options } of entries) {
    const { branch, tag, ref } = options;
    if (branch !== undefined) names.add(`refs/heads/${branch}`);
    if (tag !== undefined) names.add(`refs/tags/${tag}`);
    // A ref may be a commit, which is fetched by its id, or the name of a branch or tag.
    if (ref !== undefined && !/^[0-9a-f]{7,64}$/.test(ref))
      for (const kind of ["heads", "tags"]) names.add(`refs/${kind}/${ref}`);
    if (branch === undefined && tag === undefined && ref === undefined) defaultBranch = true;
  }
  return { kind: isShallow ? "shallow" : "locked", names: [...names].sort(), defaultBranch };
}
