/** Which names may enter a path or a URL. Everything that comes from outside passes here first. */

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

/** Byte order of UTF-8 names, the same on every machine and in every locale. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
