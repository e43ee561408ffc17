/** Where things lie on the disk is nobody's business who reads of them over the network. */
import type { StorePaths } from "../store/paths.ts";

/** @returns what puts names in the place of paths: `hex/names` for `/srv/mirror/hex/names` */
export function hidingPaths({ mirror, hex, git, certs, cache }: StorePaths): (text: string) => string {
  const names: [string, string][] = [
    [hex.path, "hex"],
    [git.path, "git"],
    [certs.path, "certs"],
    [cache.path, "the cache"],
    [mirror.path, "the mirror"],
  ];
  // Those that lie in others first.
  const longestFirst = names.sort(([a], [b]) => b.length - a.length);
  return (text) => longestFirst.reduce((shown, [path, name]) => shown.replaceAll(path, name), text);
}
