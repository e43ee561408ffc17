/**
 * When what is held was last asked for, by the keys that artifacts have for it (`Held.key`): for `prune --unused`, and for what
 * has to go where the mirror may not grow.
 */
import type { Located, Source } from "../serve/source.ts";
import { hexpm } from "../names/hex-repository.ts";
import { isPolicyName } from "../names/policy-names.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Asked } from "./asked.ts";

// However long an answer holds, it is looked up again after this, so that its use is seen. Milliseconds.
const lookAgainAfter = 3_600_000;

export function watchUses(paths: StorePaths, asked: Pick<Asked, "used">, source: Source): Source {
  const used = (located: Located | undefined, keys: readonly string[]): Located | undefined => {
    if (located === undefined) return undefined;
    for (const key of keys) asked.used(key);
    return { ...located, until: Math.min(located.until, Date.now() + lookAgainAfter) };
  };
  return {
    registry: async (path) => used(await source.registry(path), keysOf(paths, path)),
    upstream: async (path) => used(await source.upstream(path), keysOf(paths, path)),
    file: async (host, path, hasQuery) => used(await source.file(host, path, hasQuery), [paths.filePath(host, path)]),
  };
}

function keysOf(paths: StorePaths, path: string): string[] {
  const [, organisation, room = "", name = ""] = /^(?:\/repos\/([^/]+))?\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const registry = paths.registry(organisation === undefined ? hexpm : `${hexpm}:${organisation}`);
  if (room === "packages" && !name.includes("/")) return [registry.upstreamPackage(name).path];
  if (room === "policies" && isPolicyName(name)) return [registry.policy(name).path];
  if (room === "tarballs" || room === "docs") return [registry.dir.at(`${room}/${name}`).path];
  return room === "installs" ? [name] : [];
}
