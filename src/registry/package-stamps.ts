/**
 * Which packages are signed as they lie here: what a record is made of, and the record itself, have not changed since. Kept
 * in the cache folder; losing it costs a look at each.
 */
import { createHash, type KeyObject } from "node:crypto";
import * as z from "zod";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";
import { fingerprint } from "../hex/keys.ts";
import type { HeldFile } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { OptionalDependency, RegistryNames } from "./describe-package.ts";

export interface PackageStamps {
  /** @param tarballs of that package @returns what its releases depend on optionally; undefined where it must be signed anew */
  readonly signed: (name: string, tarballs: readonly HeldFile[]) => readonly OptionalDependency[] | undefined;
  /** Before it is read. @returns what is to be called when its record lies on the disk */
  readonly begin: (name: string, tarballs: readonly HeldFile[]) => (optional: readonly OptionalDependency[]) => void;
  /** Whether `names` and `versions` are those that were written with all that is known here. */
  readonly areListsOurs: () => boolean;
  /** When the lists lie on the disk, too. */
  readonly save: () => Promise<void>;
}

export interface StampOptions {
  readonly cache: Place;
  /** Of upstream's records; undefined: there are none. */
  readonly recordsKey: KeyObject | undefined;
  /** What records say of themselves. */
  readonly names: RegistryNames;
}

// No package is called so.
const listsKey = "names, versions";
const schema = z.array(z.object({ repository: z.string(), package: z.string() }));

export async function openPackageStamps(
  paths: RegistryPaths,
  { cache, recordsKey, names: { repository, alias } }: StampOptions,
): Promise<PackageStamps> {
  const parse = (value: unknown) => schema.safeParse(value).data;
  const index = await FileIndex.open(cache, { folder: `${paths.dir.path}\0packages`, parse });
  const trusted = recordsKey === undefined ? "" : fingerprint(recordsKey);
  const [upstream, held, own] = [paths.upstreamPackagesDir, paths.tarballsDir, paths.packagesDir].map(stampsIn);
  const inputs = (name: string, tarballs: readonly HeldFile[]) =>
    [trusted, repository, alias, upstream?.(name), ...tarballs.map(({ place }) => held?.(place.name))].join(" ");
  const whole = (name: string, inputs: string) =>
    createHash("sha1")
      .update(`${inputs} ${own?.(name)}`)
      .digest("base64");
  const lists = () => ["names", "versions"].map(stampsIn(paths.dir)).join(" ");
  return {
    signed: (name, tarballs) => index.known(name, whole(name, inputs(name, tarballs))),
    begin: (name, tarballs) => {
      const before = inputs(name, tarballs);
      return (optional) => index.set(name, whole(name, before), [...optional]);
    },
    areListsOurs: () => index.known(listsKey, lists()) !== undefined,
    save: async () => {
      index.set(listsKey, lists(), []);
      const look = paths.packagesDir.lookInside();
      await index.save({ isThere: (name) => name === listsKey || look(name) !== undefined });
    },
  };
}

/** By name, of what lies in a folder. */
function stampsIn(folder: Place): (name: string) => string {
  const look = folder.lookInside();
  return (name) => {
    const found = look(name);
    return found === undefined ? `${name} -` : `${name} ${stampFrom(found)}`;
  };
}
