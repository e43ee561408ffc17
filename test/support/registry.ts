/** A registry of tarballs that fits into memory, made by the parts that make the mirror's own. */
import type { Package } from "../../src/hex/records.ts";
import { compareNames } from "../../src/names/hex-names.ts";
import {
  describeNothingOf,
  describePackage,
  type HeldRelease,
  type RegistryNames,
} from "../../src/registry/describe-package.ts";
import { Lists } from "../../src/registry/lists.ts";

export interface RegistryInput extends RegistryNames {
  readonly releases: readonly HeldRelease[];
  /** Upstream's records by package name. */
  readonly upstream: ReadonlyMap<string, Package>;
}

export interface Registry {
  /** Payloads, unsigned, by resource: `names`, `versions`, `packages/NAME`. */
  readonly resources: ReadonlyMap<string, Uint8Array>;
  readonly differing: readonly { readonly name: string; readonly version: string; readonly reason: string }[];
}

export function buildRegistry({ releases, upstream, ...own }: RegistryInput): Registry {
  const resources = new Map<string, Uint8Array>();
  const differing: { name: string; version: string; reason: string }[] = [];
  const lists = new Lists();
  const optional = new Set<string>();
  for (const name of [...new Set(releases.map(({ metadata }) => metadata.name))].sort(compareNames)) {
    const held = releases.filter(({ metadata }) => metadata.name === name);
    const described = describePackage({ name, releases: held, record: upstream.get(name) }, own);
    differing.push(...described.differing.map((each) => ({ name, ...each })));
    lists.set(name, described.listing);
    if (lists.has(name)) resources.set(`packages/${name}`, described.payload);
    for (const each of described.optional) if (each.repository === "") optional.add(each.package);
  }
  for (const name of [...optional].filter((each) => !lists.has(each))) {
    resources.set(`packages/${name}`, describeNothingOf(name, own));
  }
  const { names, versions } = lists.encode(own.repository);
  return { resources: new Map([...resources, ["names", names], ["versions", versions]]), differing };
}
