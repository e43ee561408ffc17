/**
 * Signs the registry of one Hex repository: all of it, or some packages and the lists, by the same way. At every point what
 * is listed is there: a record is written before the lists name its releases, and the lists cease to name a release before
 * its record does.
 */
import type { KeyObject } from "node:crypto";
import { describeError } from "../errors.ts";
import { publicKeyPem } from "../hex/keys.ts";
import { compareNames, isPackageName } from "../names/hex-names.ts";
import { isSignedBy } from "../hex/signed.ts";
import type { Place } from "../disk/place.ts";
import { listTarballs, type HeldFile } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { readSigned } from "../store/signed-files.ts";
import { judgeReleases, type Adopting } from "./adoption.ts";
import {
  describeNothingOf,
  describePackage,
  type OptionalDependency,
  type PackageDescription,
  type RegistryNames,
} from "./describe-package.ts";
import { readHeldPackages, type HeldPackage } from "./held-packages.ts";
import { Lists } from "./lists.ts";
import { openPackageStamps } from "./package-stamps.ts";
import { openResourceWriter, type ResourceWriter } from "./resource-writer.ts";
import { readAhead, type UpstreamSays } from "./upstream-records.ts";

export interface Signing {
  readonly cache: Place;
  /** undefined: write nothing. */
  readonly key: KeyObject | undefined;
  /** Keys whose signature tells of an adoption, ours first. */
  readonly verifiers: readonly KeyObject[];
  readonly adopting: Adopting;
  /** The key of upstream's records. @throws MirrorError where it cannot be had, which is no damage of the records */
  readonly recordsKey: (repository: string) => Promise<KeyObject>;
}

export interface Scope extends RegistryNames {
  /** Packages to sign; undefined: all that there are. */
  readonly only?: ReadonlySet<string> | undefined;
  /** Tarballs that will be gone soon, by path. */
  readonly without?: ReadonlySet<string>;
  /** Packages of this repository that releases of others depend on optionally. */
  readonly optional?: Iterable<string>;
}

/** A release that is left out, or a package of which all is since its upstream record cannot be trusted. */
export interface LeftOut {
  readonly name: string;
  readonly version: string | undefined;
  readonly reason: string;
}

export interface SignedRegistry {
  readonly packages: number;
  readonly releases: number;
  /** Resources that were written, or would be without a key: `names`, `packages/jason`. */
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly adopted: readonly { readonly name: string; readonly version: string }[];
  readonly leftOut: readonly LeftOut[];
  /** What its releases depend on optionally in other repositories. */
  readonly optionalElsewhere: readonly { readonly repository: string; readonly package: string }[];
}

export async function signRegistry(paths: RegistryPaths, scope: Scope, signing: Signing): Promise<SignedRegistry> {
  const { key, cache } = signing;
  const before = await readLists(paths, scope.repository, signing.verifiers);
  // Nothing can be added to lists that are not there, or not ours.
  const isOurs = before?.signer === 0 && (await isPublished(paths, key));
  const only = isOurs ? scope.only : undefined;
  const isWhole = only === undefined;
  // Who signs a few of thousands sweeps where he writes (disk/place.ts), and reads no folder for it each time.
  if (key !== undefined && isWhole) for (const place of [paths.dir, paths.packagesDir]) await place.removeLeftovers();
  const writer = await openResourceWriter(paths, { cache, key });
  const draft = new Draft(paths, scope, before?.lists ?? new Lists(), { isWhole, isOurs });
  try {
    // A package is signed and written while the next ones are read.
    for await (const [name, payload] of draft.describe(only, signing)) await writer.write(`packages/${name}`, payload);
    await writer.settled();
    if (key !== undefined && draft.shrunk.size > 0) {
      const { names, versions } = draft.limitedLists();
      await writeInOrder(writer, { names, versions });
    }
    for (const [name, payload] of draft.shrunk) await writer.write(`packages/${name}`, payload);
    await writer.settled();
    const { names, versions } = draft.lists.encode(scope.repository);
    await writeInOrder(writer, { versions, names });
  } catch (error) {
    // Nothing may be under way any more when the writers' lock is given back.
    await writer.settled().catch(() => undefined);
    throw error;
  }
  const { written, known } = await writer.finish();
  const stale = isWhole ? await listStale(paths, new Set([...known, ...draft.untouched])) : [];
  if (key !== undefined) {
    if (await paths.publicKey.writeIfChanged(publicKeyPem(key))) written.push("public_key");
    for (const resource of stale) await paths.resource(resource).remove();
    await draft.finish();
  }
  const { lists, adopted, leftOut, optionalElsewhere } = draft;
  const { packages, releases } = lists;
  return { packages, releases, written, removed: stale, adopted, leftOut, optionalElsewhere };
}

async function writeInOrder(writer: ResourceWriter, resources: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [resource, payload] of Object.entries(resources)) {
    await writer.write(resource, payload);
    await writer.settled();
  }
}

/** Records that no package and no dependency has any more. Whatever else lies there was not written by us. */
async function listStale(paths: RegistryPaths, known: ReadonlySet<string>): Promise<string[]> {
  const records = (await paths.packagesDir.list("file")).filter(isPackageName).map((name) => `packages/${name}`);
  return records.filter((resource) => !known.has(resource));
}

/** @returns the lists that are here, and which of the keys signed them; undefined where none did, or not both */
async function readLists(
  paths: RegistryPaths,
  repository: string,
  verifiers: readonly KeyObject[],
): Promise<{ readonly lists: Lists; readonly signer: number } | undefined> {
  const names = await readSigned(paths.resource("names"));
  const versions = await readSigned(paths.resource("versions"));
  if (names === undefined || versions === undefined) return undefined;
  const signer = verifiers.findIndex((key) => isSignedBy(names, key) && isSignedBy(versions, key));
  if (signer === -1) return undefined;
  try {
    const lists = Lists.decode({ names: names.payload, versions: versions.payload }, repository);
    return lists === undefined ? undefined : { lists, signer };
  } catch {
    return undefined;
  }
}

async function isPublished({ publicKey }: RegistryPaths, key: KeyObject | undefined): Promise<boolean> {
  return key !== undefined && publicKey.contains(publicKeyPem(key));
}

/** What a registry will say. */
class Draft {
  readonly lists: Lists;
  /** Records that list less than before, by name: they are written once the lists name no more than they do. */
  readonly shrunk = new Map<string, Uint8Array>();
  readonly adopted: { name: string; version: string }[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly optionalElsewhere: { repository: string; package: string }[] = [];
  /** Called when all of it lies on the disk. */
  finish: () => Promise<void> = async () => undefined;
  private readonly paths: RegistryPaths;
  private readonly scope: Scope;
  private readonly before: Lists;
  private readonly isWhole: boolean;
  private readonly isOurs: boolean;
  /** Records that are as they should be. */
  readonly untouched = new Set<string>();
  /** Packages whose records list nothing, unless it turns out that they are here. */
  private readonly empty: Set<string>;

  /** @param isOurs whether the lists of before were signed by the key of now */
  constructor(
    paths: RegistryPaths,
    scope: Scope,
    before: Lists,
    { isWhole, isOurs }: { readonly isWhole: boolean; readonly isOurs: boolean },
  ) {
    this.paths = paths;
    this.scope = scope;
    this.before = before;
    this.isWhole = isWhole;
    this.isOurs = isOurs;
    this.lists = isWhole ? new Lists() : before.copy();
    this.empty = new Set(scope.optional);
  }

  /** @returns what may be written at once, by the package's name */
  async *describe(only: ReadonlySet<string> | undefined, signing: Signing): AsyncIterable<[string, Uint8Array]> {
    const { without } = this.scope;
    const isAsked = (name: string) => only === undefined || only.has(name);
    const all = await listTarballs(this.paths, isAsked);
    const tarballs = without === undefined ? all : all.filter(({ place }) => !without.has(place.path));
    const byName = new Map<string, HeldFile[]>();
    for (const each of tarballs) {
      const others = byName.get(each.name);
      if (others === undefined) byName.set(each.name, [each]);
      else others.push(each);
    }
    const recordsKey = await this.recordsKey(signing);
    const { cache } = signing;
    const stamps = await openPackageStamps(this.paths, { cache, recordsKey, names: this.scope });
    const mayBeDone = this.isOurs && (!this.isWhole || stamps.areListsOurs());
    const isDone = ([name, held]: [string, HeldFile[]]) => {
      const listing = this.before.get(name);
      const optional = mayBeDone && listing !== undefined ? stamps.signed(name, held) : undefined;
      if (optional === undefined) return false;
      this.lists.set(name, listing);
      this.untouched.add(`packages/${name}`);
      this.needs(optional);
      return true;
    };
    const done = new Set([...byName].filter(isDone).map(([name]) => name));
    const names = new Set([...byName.keys()].filter((name) => !done.has(name)));
    // Before anything is read: what changes meanwhile is looked at next time.
    const finishing = new Map([...names].map((name) => [name, stamps.begin(name, byName.get(name) ?? [])] as const));
    const upstreamOf = readAhead(this.paths, [...names], recordsKey);
    const fresh = tarballs.filter(({ name }) => names.has(name));
    const signed: [string, readonly OptionalDependency[]][] = [];
    for await (const held of readHeldPackages(this.paths, cache, fresh)) {
      const { name } = held;
      const before = this.leftOut.length;
      const described = await this.describeOne(held, await upstreamOf(name), signing);
      if (described === undefined) continue;
      if (this.leftOut.length === before) signed.push([name, described.optional]);
      yield* this.sorted(name, described.payload);
    }
    this.finish = async () => {
      for (const [name, optional] of signed) finishing.get(name)?.(optional);
      await stamps.save();
    };
    for (const name of only ?? []) if (!byName.has(name)) this.forget(name);
    for (const name of [...this.empty].filter((each) => !this.lists.has(each)).sort(compareNames)) {
      yield* this.sorted(name, describeNothingOf(name, this.scope));
    }
  }

  /** undefined where upstream has no say here. @throws MirrorError where it cannot be had, which is no damage of records */
  private async recordsKey({ recordsKey }: Signing): Promise<KeyObject | undefined> {
    const { upstreamPackagesDir, repository } = this.paths;
    return (await upstreamPackagesDir.list("file")).length === 0 ? undefined : recordsKey(repository);
  }

  /** What the lists may say while records still list what they will cease to. */
  limitedLists(): ReturnType<Lists["encode"]> {
    return this.lists.limitedTo(this.before, this.shrunk.keys()).encode(this.scope.repository);
  }

  /** @returns undefined when there is no release to list */
  private async describeOne(
    { name, releases, damaged }: HeldPackage,
    { record: upstreamRecord, untrusted }: UpstreamSays,
    { verifiers, adopting }: Signing,
  ): Promise<PackageDescription | undefined> {
    const isUntrusted = untrusted !== undefined;
    if (isUntrusted) this.leftOut.push({ name, version: undefined, reason: describeError(untrusted) });
    const known =
      upstreamRecord === undefined ? { state: "none" as const } : { state: "held" as const, record: upstreamRecord };
    const upstream = isUntrusted ? { state: "untrusted" as const } : known;
    const unreadable = damaged.map(({ version }) => version);
    const input = { name, releases, unreadable, upstream };
    const { signed, kept, record, adopted, leftOut } = await judgeReleases(this.paths, input, { verifiers, adopting });
    const described = describePackage({ name, releases: signed, record, kept }, this.scope);
    this.adopted.push(...adopted.map((version) => ({ name, version })));
    this.leftOut.push(...[...damaged, ...leftOut, ...described.differing].map((each) => ({ name, ...each })));
    this.lists.set(name, described.listing);
    this.needs(described.optional);
    if (this.lists.has(name)) return described;
    // Its signed record stays, so that nobody takes the registry for one that was never signed.
    if (leftOut.length > 0 || isUntrusted) this.empty.add(name);
    else this.forget(name);
    return undefined;
  }

  private needs(optional: readonly OptionalDependency[]): void {
    for (const dependency of optional) {
      if (dependency.repository === "") this.empty.add(dependency.package);
      else this.optionalElsewhere.push(dependency);
    }
  }

  /** Its record goes with a whole build; until then it lists nothing, since others may depend on it optionally. */
  private forget(name: string): void {
    this.lists.set(name, undefined);
    if (!this.isWhole && this.before.has(name)) this.empty.add(name);
  }

  /** @returns what may be written at once; all else is put aside */
  private *sorted(name: string, payload: Uint8Array): Iterable<[string, Uint8Array]> {
    const versions = new Set(this.lists.get(name)?.releases.map(({ version }) => version));
    const isShrunk = this.before.get(name)?.releases.some(({ version }) => !versions.has(version)) === true;
    if (isShrunk) this.shrunk.set(name, payload);
    else yield [name, payload];
  }
}
