/**
 * Which releases may be signed. Those that upstream's record covers; and of the others those that a person adopted: what
 * the registry on disk lists with that checksum, as our key verifies, what a plain `build` finds in a folder whose
 * registry lists nothing yet, and what `build --adopt` names. The signed record is the record of adoption. Nothing else
 * is signed because it lies there. docs/decisions/0011-trust.md
 */
import type { KeyObject } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { hexDigits, isSameChecksum } from "../hex/checksums.ts";
import { isPackageName } from "../names/hex-names.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { servedName, shownPackage } from "../names/hex-repository.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import type { HeldRelease } from "./describe-package.ts";
import type { NamedRelease } from "../options.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

/** What a person asked `build` to adopt. */
export interface Adopting {
  readonly named: readonly NamedRelease[];
  /** All that lies there: the registry lists no release yet. */
  readonly everything: boolean;
  /** When what is named is published here; absent: nobody knows, and it may be old. */
  readonly at?: Date;
}

export const adoptNothing: Adopting = { named: [], everything: false };

export interface Judged {
  readonly signed: readonly HeldRelease[];
  /** What the registry on disk says of releases whose tarballs are not what they were: it stays as it is. */
  readonly kept: readonly Release[];
  /** Upstream's record, with what our own tells of the releases that upstream's does not cover. */
  readonly record: Package | undefined;
  /** Versions that are signed now for the first time, although no upstream record covers them. */
  readonly adopted: readonly string[];
  readonly leftOut: readonly { readonly version: string; readonly reason: string }[];
}

export interface JudgeInput {
  readonly name: string;
  readonly releases: readonly HeldRelease[];
  /** Versions whose tarballs lie there and cannot be read. */
  readonly unreadable: readonly string[];
  readonly upstream:
    | { readonly state: "held"; readonly record: Package }
    | { readonly state: "none" }
    /** There is one that is damaged, or signed by another key: what our own record says stays. */
    | { readonly state: "untrusted" };
}

/** @param verifiers keys of which one must have signed what counts as adopted before, ours first */
export async function judgeReleases(
  registry: RegistryPaths,
  { name, releases, unreadable, upstream }: JudgeInput,
  { verifiers, adopting }: { readonly verifiers: readonly KeyObject[]; readonly adopting: Adopting },
): Promise<Judged> {
  const record = upstream.state === "held" ? upstream.record : undefined;
  const covered = new Set(record?.releases.map(({ version }) => version));
  const isCovered = releases.every(({ metadata }) => covered.has(metadata.version));
  if (upstream.state !== "untrusted" && isCovered && unreadable.every((version) => covered.has(version))) {
    return { signed: releases, kept: [], record, adopted: [], leftOut: [] };
  }
  const own = await readSignedRecord(registry, name, verifiers);
  const before = new Map(own?.record.releases.map((release) => [release.version, release]));
  const shown = shownPackage(registry.repository, name);
  const signed: HeldRelease[] = [];
  const kept = unreadable.filter((version) => !covered.has(version)).flatMap((version) => before.get(version) ?? []);
  const adopted: string[] = [];
  const leftOut: { version: string; reason: string }[] = [];
  for (const release of releases) {
    const { version } = release.metadata;
    const known = before.get(version);
    const isNamed = adopting.named.some(
      (each) => isPackageOf(each, registry.repository, name) && each.version === version,
    );
    const leaveOut = (reason: string) => leftOut.push({ version, reason });
    if (covered.has(version)) signed.push(release);
    else if (known !== undefined && isSameChecksum(known.outerChecksum, release.outerChecksum)) {
      signed.push(release);
      // Another key's word, which `--new-key` takes over.
      if (own?.isOurs === false) adopted.push(version);
    } else if (record !== undefined) {
      leaveOut(`upstream's record of ${shown} is held and does not list it, so it is not signed`);
    } else if (upstream.state === "untrusted") leaveOut("upstream's record of it cannot be trusted");
    else if (adopting.everything || isNamed) {
      signed.push({ ...release, publishedAt: isNamed ? adopting.at : undefined });
      adopted.push(version);
    } else {
      const command = `mirror-server build --adopt ${shown}@${version}`;
      if (known === undefined) {
        leaveOut(`no upstream record covers it, and nobody adopted it; if it is yours, run "${command}"`);
      } else {
        kept.push(known);
        leaveOut(
          `its bytes are not those that were adopted; put these back, or, if the new ones are yours, run "${command}"`,
        );
      }
    }
  }
  return { signed, kept, record: withOwn(record, own?.record, upstream.state), adopted, leftOut };
}

/**
 * What upstream told of a release stays known when upstream's record is gone: our own has it. Where that says no more than
 * the tarball's metadata, the metadata say it better.
 */
function withOwn(record: Package | undefined, own: Package | undefined, state: JudgeInput["upstream"]["state"]) {
  if (own === undefined || record !== undefined) return record;
  const tellsMore = ({ retired, publishedAt, advisoryIndexes }: Release) =>
    state === "untrusted" || retired !== undefined || publishedAt !== undefined || advisoryIndexes.length > 0;
  return { ...own, releases: own.releases.filter(tellsMore) };
}

/** By version, the outer checksums that the registry on disk says; none where none of the keys signed it. */
export async function signedChecksums(
  registry: RegistryPaths,
  name: string,
  verifiers: readonly KeyObject[],
): Promise<Map<string, string>> {
  const releases = (await readSignedRecord(registry, name, verifiers))?.record.releases ?? [];
  return new Map(releases.map(({ version, outerChecksum }) => [version, hexDigits(outerChecksum)]));
}

/** @returns `isOurs`: the first of the keys signed it; undefined where none did */
export async function readSignedRecord(
  registry: RegistryPaths,
  name: string,
  verifiers: readonly KeyObject[],
): Promise<{ readonly record: Package; readonly isOurs: boolean } | undefined> {
  const bytes = (await registry.resource(`packages/${name}`).read()) ?? Buffer.alloc(0);
  for (const [index, key] of bytes.length === 0 ? [] : verifiers.entries()) {
    try {
      const record = decodePackage(verifyAndUnwrap(bytes, key));
      if (record.name === name) return { record, isOurs: index === 0 };
    } catch {
      // Another key's, or damaged: it tells of no adoption.
    }
  }
  return undefined;
}

/** Whether nothing was ever signed here, nor synced: what became empty is no folder that somebody begins with. */
export async function isBeginning(
  registries: readonly RegistryPaths[],
  verifiers: readonly KeyObject[],
): Promise<boolean> {
  for (const registry of registries) {
    const synced = [registry.upstreamPackagesDir, registry.historyDir];
    if ((await Promise.all(synced.map((folder) => folder.list("file")))).flat().length > 0) return false;
    for (const name of (await registry.packagesDir.list("file")).filter(isPackageName)) {
      if ((await readSignedRecord(registry, name, verifiers)) !== undefined) return false;
    }
  }
  return true;
}

/** An organisation is called `hexpm:acme` by locks and `acme` by people. */
export function isPackageOf(
  named: { readonly repository: string; readonly name: string },
  repository: string,
  name: string,
): boolean {
  return [repository, servedName(repository)].includes(named.repository) && named.name === name;
}

export interface HeldName {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
}

/** @param held what lies there @throws MirrorError `usage` for what does not */
export function requireHeld(named: readonly NamedRelease[], held: readonly HeldName[]): void {
  const isThere = (each: NamedRelease) =>
    held.some(({ repository, name, version }) => isPackageOf(each, repository, name) && each.version === version);
  const absent = named.find((each) => !isThere(each));
  if (absent === undefined) return;
  const shown = `${shownPackage(absent.repository, absent.name)}@${absent.version}`;
  throw new MirrorError("usage", `--adopt ${shown}: no tarball of that release lies in the registry's folder`);
}
