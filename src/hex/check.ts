/** Is a tarball the one that a registry's record, or a lock, speaks of? Pure; answers with what is wrong. */
import type { Release } from "./records.ts";
import type { Tarball } from "./tarball.ts";

/** Why `tarball` is not the release that a signed record describes; undefined when it is. */
export function tarballProblem(
  { metadata, innerChecksum, outerChecksum }: Tarball,
  name: string,
  release: Pick<Release, "version" | "innerChecksum" | "outerChecksum">,
): string | undefined {
  if (metadata.name !== name || metadata.version !== release.version) {
    return `it holds ${metadata.name} ${metadata.version}`;
  }
  // Registries of before 2019 have no outer checksums.
  if (release.outerChecksum.length > 0 && !outerChecksum.equals(release.outerChecksum)) {
    return "its outer checksum is not the one that the registry signed";
  }
  return innerChecksum.equals(release.innerChecksum)
    ? undefined
    : "its inner checksum is not the one that the registry signed";
}

/** Why `tarball` is not the one that a lock demands, by checksums in hex digits; undefined when it is. */
export function demandProblem(
  { innerChecksum, outerChecksum }: Pick<Tarball, "innerChecksum" | "outerChecksum">,
  demand: {
    readonly lock: string;
    readonly innerChecksum?: string | undefined;
    readonly outerChecksum?: string | undefined;
  },
): string | undefined {
  if (demand.outerChecksum !== undefined && outerChecksum.toString("hex") !== demand.outerChecksum) {
    return `its outer checksum is not the one in the lock ${demand.lock}`;
  }
  if (demand.innerChecksum !== undefined && innerChecksum.toString("hex") !== demand.innerChecksum) {
    return `its inner checksum is not the one in the lock ${demand.lock}`;
  }
  return undefined;
}
