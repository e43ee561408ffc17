/**
 * Names that are this mirror's own: those that the configuration reserves (`"local"`), those of its own repositories, and
 * those of which a person added, or adopted, a release while no record of upstream's covers the package. Upstream is never
 * asked for them, so that nobody who takes such a name there can put a release of theirs in its place.
 * docs/decisions/0016-pull-through.md, 0020-own-packages.md
 */
import { stampThrough } from "../disk/stamp.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { hexpm, servedName } from "../names/hex-repository.ts";
import { watchAdded } from "../store/added.ts";
import { isLocal, isUpstreams } from "../store/inventory.ts";
import { publishedKey } from "../store/published-key.ts";
import type { StorePaths } from "../store/paths.ts";
import { readSignedRecord } from "./adoption.ts";

/** @returns why it is, as the end of a sentence; undefined: it is upstream's, or nobody's yet */
export type OwnNames = (registry: RegistryPaths, name: string) => Promise<string | undefined>;

export interface OwnNamesSettings {
  /** Patterns of names that are reserved: `acme_*` */
  readonly local: readonly string[];
  /** Likewise, those that a person gives to upstream. */
  readonly fromUpstream?: readonly string[];
}

export function createOwnNames(paths: StorePaths, { local, fromUpstream = [] }: OwnNamesSettings): OwnNames {
  const [reserved, given] = [local, fromUpstream].map((patterns) => patterns.map(patternOf));
  const known = new Map<string, { readonly stamp: string; readonly isOwn: boolean }>();
  const addedTo = watchAdded(paths);
  const isAdopted = async (registry: RegistryPaths, name: string): Promise<boolean> => {
    // Of most names one look tells: what upstream has once signed is upstream's.
    if (isUpstreams(registry, name)) return false;
    const record = registry.resource(`packages/${name}`);
    if (!record.isFile()) return false;
    const stamp = stampThrough(record.path);
    const before = known.get(record.path);
    if (before?.stamp === stamp) return before.isOwn;
    const isOwn = await listsReleases(paths, registry, name);
    known.set(record.path, { stamp, isOwn });
    return isOwn;
  };
  return async (registry, name) => {
    if (reserved?.some((pattern) => pattern.test(name))) return 'the configuration reserves it ("local")';
    // An organisation of that name would be served at the same place.
    const served = servedName(registry.repository);
    if (served !== undefined && isLocal(paths, served)) return `/repos/${served} is a repository of this mirror's own`;
    if (given?.some((pattern) => pattern.test(name))) return undefined;
    // rebar3 asks hexpm first, whosever a package is: nobody there may take the place of what is this mirror's own.
    const mayBeTaken = registry.repository === hexpm && !isUpstreams(registry, name);
    const elsewhere = mayBeTaken ? await addedTo(name) : undefined;
    if (elsewhere !== undefined)
      return `it is a package of ${elsewhere}, which is this mirror's own; to take upstream's besides, sync --from-upstream ${name}`;
    if (!registry.added(name).isFile() && !(await isAdopted(registry, name))) return undefined;
    return `its releases were adopted; to take upstream's from now on, sync --from-upstream ${name}`;
  };
}

/** Nothing but adoption gets a release into our record that upstream's does not have. */
async function listsReleases(paths: StorePaths, registry: RegistryPaths, name: string): Promise<boolean> {
  const key = await publishedKey(paths);
  const signed = key === undefined ? undefined : await readSignedRecord(registry, name, [key]);
  return signed !== undefined && signed.record.releases.length > 0;
}

function patternOf(reserved: string): RegExp {
  return new RegExp(`^${reserved.replaceAll("*", ".*")}$`);
}
