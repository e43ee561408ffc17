/**
 * The names of Hex repositories, as locks write them, and what follows from them. Pure.
 *
 *   name          below the mirror   its records say   below its upstream's URL
 *   hexpm         /                  hexpm             /
 *   hexpm:acme    /repos/acme        acme              /repos/acme     an organisation of hexpm
 *   other         /repos/other       other             /               `mix hex.repo add other URL`
 *   local         /repos/local       local             none: what was made here
 */

/** What Hex calls the public repository. */
export const hexpm = "hexpm";

/** The Hex repository of a mirror's own, where nobody names another. */
export const ownRepository = "local";

/** The last part of its path below the mirror; undefined for hexpm, which has the mirror's root. */
export function servedName(repository: string): string | undefined {
  return repository === hexpm ? undefined : signedName(repository);
}

/** The name that its records carry; clients check it. */
export function signedName(repository: string): string {
  return organisationOf(repository) ?? repository;
}

/** `hexpm:acme` → `acme`; undefined for what is no organisation. */
export function organisationOf(repository: string): string | undefined {
  return repository.split(":", 2)[1];
}

/** `hexpm:acme` → `hexpm`: whose URL and key it has. */
export function sourceOf(repository: string): string {
  return repository.split(":", 1)[0] ?? repository;
}

/** `jason` of hexpm, `hexpm:acme/secret` of another repository: how people are told of a package. */
export function shownPackage(repository: string, name: string): string {
  return repository === hexpm ? name : `${repository}/${name}`;
}

/** `hexpm:my-org` → `MIRROR_TOKEN_MY_ORG`: the variable that says what to send to its upstream. */
export function tokenVariable(repository: string): string {
  return `MIRROR_TOKEN_${signedName(repository)
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")}`;
}
