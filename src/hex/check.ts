/** Is a tarball the one that a registry's record, or a lock, speaks of? Pure; answers with what is wrong. */
import { MirrorError } from "../errors.ts";
import type { Release } from "./records.ts";
import { readTarball, type Checksums, type Tarball } from "./tarball.ts";

type SignedRelease = Pick<Release, "version" | "innerChecksum" | "outerChecksum">;

/** What a lock says of a release; checksums in hex digits. */
export interface LockedChecksums {
  readonly lock: string;
  readonly innerChecksum?: string | undefined;
  readonly outerChecksum?: string | undefined;
}

/**
 * A tarball that has to be this release. Its bytes are hashed before they are parsed: what a stranger sends in its place
 * is never read. @throws MirrorError `integrity`, `malformed`
 */
export function readExpectedTarball(
  bytes: Buffer,
  name: string,
  release: SignedRelease,
  demands: readonly LockedChecksums[],
): Tarball {
  const refuse = (problem: string | undefined) => {
    if (problem !== undefined) throw new MirrorError("integrity", problem);
  };
  const tarball = readTarball(bytes, (known) => {
    refuse(releaseProblem(known, release));
    for (const demand of demands) refuse(demandProblem(known, demand));
  });
  refuse(tarballProblem(tarball, name, release));
  return tarball;
}

/** Why `tarball` is not the release that a signed record describes; undefined when it is. */
export function tarballProblem(tarball: Tarball, name: string, release: SignedRelease): string | undefined {
  const { metadata } = tarball;
  if (metadata.name !== name || metadata.version !== release.version) {
    return `it holds ${metadata.name} ${metadata.version}`;
  }
  return releaseProblem(tarball, release);
}

function releaseProblem(
  { innerChecksum, outerChecksum }: Partial<Checksums>,
  release: SignedRelease,
): string | undefined {
  // Registries of before 2019 have no outer checksums.
  if (release.outerChecksum.length > 0 && outerChecksum?.equals(release.outerChecksum) === false) {
    return "its outer checksum is not the one that the registry signed";
  }
  return innerChecksum?.equals(release.innerChecksum) === false
    ? "its inner checksum is not the one that the registry signed"
    : undefined;
}

/** Why `tarball` is not the one that a lock demands; undefined when it is. */
export function demandProblem(
  { innerChecksum, outerChecksum }: Partial<Checksums>,
  demand: LockedChecksums,
): string | undefined {
  const isOther = (found: Buffer | undefined, demanded: string | undefined) =>
    found !== undefined && demanded !== undefined && found.toString("hex") !== demanded;
  if (isOther(outerChecksum, demand.outerChecksum))
    return `its outer checksum is not the one in the lock ${demand.lock}`;
  if (isOther(innerChecksum, demand.innerChecksum))
    return `its inner checksum is not the one in the lock ${demand.lock}`;
  return undefined;
}
