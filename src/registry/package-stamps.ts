/**
 * Which packages are signed as they lie here: what a record is made of, and the record itself, have not changed since. Kept
 * in the cache folder; losing it costs a look at each.
 */
import type { KeyObject } from "node:crypto";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";
import { fingerprint } from "../hex/keys.ts";
import type { HeldFile } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

export interface PackageStamps {
  /** @param tarballs of that package */
  readonly isSigned: (name: string, tarballs: readonly HeldFile[]) => boolean;
  /** Before it is read. @returns what is to be called when its record lies on the disk */
  readonly begin: (name: string, tarballs: readonly HeldFile[]) => () => void;
  readonly save: () => Promise<void>;
}

export interface StampOptions {
  readonly cache: Place;
  /** Of upstream's records; undefined: there are none. */
  readonly recordsKey: KeyObject | undefined;
  readonly isWhole: boolean;
}

export async function openPackageStamps(
  paths: RegistryPaths,
  { cache, recordsKey, isWhole }: StampOptions,
): Promise<PackageStamps> {
  const index = await FileIndex.open(cache, `${paths.dir.path}\0packages`, (value) => value === true || undefined);
  const trusted = recordsKey === undefined ? "" : fingerprint(recordsKey);
  const inputs = (name: string, tarballs: readonly HeldFile[]) =>
    [trusted, ...[paths.upstreamPackage(name), ...tarballs.map(({ place }) => place)].map(stampOf)].join(" ");
  const whole = (name: string, stamp: string) => `${stamp} ${stampOf(paths.resource(`packages/${name}`))}`;
  return {
    isSigned: (name, tarballs) => index.known(name, whole(name, inputs(name, tarballs))) === true,
    begin: (name, tarballs) => {
      const stamp = inputs(name, tarballs);
      return () => index.set(name, whole(name, stamp), true);
    },
    save: async () => index.save({ isWhole }),
  };
}

function stampOf(place: Place): string {
  const found = place.look();
  return found === undefined ? `${place.name} -` : `${place.name} ${stampFrom(found)}`;
}
