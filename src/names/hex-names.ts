/** Which names and versions may enter a path or a URL. Everything that comes from outside passes here first. */
import compareBuild from "semver/functions/compare-build.js";
import parse from "semver/functions/parse.js";

// hex.pm accepts lower-case letters, digits and underscores, from a letter on. Old packages have upper-case letters.
const packageName = /^[a-z][a-zA-Z0-9_]{0,254}$/;
const organisationName = /^[a-z0-9][a-z0-9_-]{0,254}$/;

export function isPackageName(name: string): boolean {
  return packageName.test(name);
}

/** `hexpm`, another repository's name, or `hexpm:ORG` for an organisation. */
export function isRepositoryName(name: string): boolean {
  const [repository = "", organisation, ...rest] = name.split(":");
  return (
    rest.length === 0 &&
    organisationName.test(repository) &&
    (organisation === undefined || organisationName.test(organisation))
  );
}

/** Hex takes strict SemVer 2.0 only: three numbers, no leading `v` or `=`. */
export function isVersion(version: string): boolean {
  const parsed = version.length <= 256 ? parse(version) : null;
  return parsed !== null && version === parsed.version + (parsed.build.length > 0 ? `+${parsed.build.join(".")}` : "");
}

/** Ascending SemVer order; build metadata, which SemVer leaves out of the order, breaks ties. */
export function compareVersions(a: string, b: string): number {
  return compareBuild(a, b);
}

/** Byte order of UTF-8 names, the same on every machine and in every locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
