/**
 * Where what clients ask for comes from: the mirror's folders, or, where a mirror pulls, from upstream by way of them (pull/).
 * Routes know no more of it than this.
 */
import { MirrorError } from "../errors.ts";
import type { Place } from "../disk/place.ts";
import { hexpm } from "../names/hex-repository.ts";
import type { StorePaths } from "../store/paths.ts";

/** How an answer came about, as `X-Mirror` tells it. */
export type Mark =
  /** It was here, and did not have to be asked for. */
  | "hit"
  /** It was not here, and is now. */
  | "miss"
  /** It was here, and upstream says that it still holds, or what holds now. */
  | "revalidated"
  /** It was here, and upstream could not be asked. */
  | "stale"
  /** It came from upstream and is not kept, or not yet. */
  | "passed";

export interface Located {
  readonly mark: Mark;
  /** A file, or bytes that are kept nowhere. */
  readonly content: { readonly place: Place } | { readonly bytes: Buffer };
  /** When upstream last said so; absent: when the file was written. Milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Until when whoever asks likewise may be given the same file without being looked up again. Likewise. */
  readonly until: number;
}

export interface Source {
  /** What the registry that we sign consists of. @param path as clients ask for it: `/packages/jason` */
  readonly registry: (path: string) => Promise<Located | undefined>;
  /** What upstream signed. @param path likewise */
  readonly upstream: (path: string) => Promise<Located | undefined>;
  /** A file of some host. @param path with the slash at its beginning @param hasQuery what it names may depend on more */
  readonly file: (host: string, path: string, hasQuery: boolean) => Promise<Located | undefined>;
}

/** What lies in the mirror's folders, and nothing else. */
export function folderSource(paths: StorePaths): Source {
  const { upstreamDir } = paths.registry(hexpm);
  return {
    registry: async (path) => held(placeBelow(paths.hex, path)),
    // Lists are of all packages of upstream's, and no part of a mirror unless a sync was told to keep them.
    upstream: async (path) => held(placeBelow(upstreamDir, path)),
    file: async (host, path) => held(placeBelow(paths.filesDir, paths.filePath(host, path))),
  };
}

/** All of what was located; undefined where it is not there. */
export async function readLocated({ content }: Located): Promise<Buffer | undefined> {
  return "bytes" in content ? content.bytes : content.place.read();
}

/** A file that is here, whatever becomes of it. */
export function held(place: Place | undefined): Located | undefined {
  return place === undefined ? undefined : { mark: "hit", content: { place }, until: Infinity };
}

/** undefined for what cannot be a path in a folder, such as one that ends in a slash. */
export function placeBelow(root: Place, path: string): Place | undefined {
  try {
    return root.at(path.replace(/^\//, ""));
  } catch (error) {
    if (error instanceof MirrorError || error instanceof Error) return undefined;
    throw error;
  }
}
