/** The hosts that everybody who writes Elixir or Erlang knows by name. */

export const github = "github.com";
/** Where Hex has its registry, where Mix fetches installers, and Hex's API. */
export const hexRegistryHost = "repo.hex.pm";
export const installersHost = "builds.hex.pm";
export const hexApiHost = "hex.pm";

/** Clients are pointed at these by other means than git's. */
export const hexHosts: ReadonlySet<string> = new Set([hexRegistryHost, installersHost, hexApiHost]);

/** To these, `Owner/Repo` and `owner/repo` are one repository; others may tell them apart. */
export const caseIgnoring: ReadonlySet<string> = new Set([github, "gitlab.com", "bitbucket.org", "codeberg.org"]);

/** Forges whose every repository answers https, whatever an old lock calls it. */
export const forges: ReadonlySet<string> = new Set([
  github,
  "gitlab.com",
  "bitbucket.org",
  "codeberg.org",
  "git.sr.ht",
]);

/** By which containers reach the machine that they run on. */
export const hostsOfContainers: ReadonlySet<string> = new Set(["host.docker.internal", "host.containers.internal"]);
