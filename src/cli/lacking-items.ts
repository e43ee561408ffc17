/** What a client asked for that it was not given → the thing that is lacking, for people. Pure. */
import type { Item } from "../names/item.ts";
import { isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { isPolicyName } from "../names/policy-names.ts";
import { hexpm, ownRepository, servedName } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import type { Lack } from "../serve/lacking.ts";
import { parseDocsName, parseTarballName } from "../store/registry-paths.ts";

/**
 * What was asked for; undefined for what is no part of any mirror, such as a list of all packages. Pure.
 * @param repositories that the mirror is known to have: another is taken for an organisation
 */
export function itemOf(
  { kind, host, path }: Pick<Lack, "kind" | "host" | "path">,
  repositories: readonly string[],
): Item | undefined {
  if (kind === "git") return { kind: "git", host, path };
  if (kind === "file" || kind === "unknown") {
    return host === "" || hexHosts.has(host) ? undefined : { kind: "file", url: `https://${host}${path}` };
  }
  const [, organisation, room = "", name = ""] = /^(?:\/repos\/([^/]+))?\/([a-z]+)\/(.+)$/.exec(path) ?? [];
  const served = organisation === hexpm ? undefined : organisation;
  const known = [hexpm, ownRepository, ...repositories].find((name) => servedName(name) === served);
  const repository = known ?? `${hexpm}:${served}`;
  // Anybody may have asked for anything; what is told may be taken for a command.
  if (!isRepositoryName(repository)) return undefined;
  switch (room) {
    case "packages":
      return isPackageName(name) ? { kind: "package", repository, name } : undefined;
    case "policies":
      return isPolicyName(name) ? { kind: "policy", repository, name } : undefined;
    case "tarballs": {
      const release = parseTarballName(name);
      return release === undefined ? undefined : { kind: "release", repository, ...release };
    }
    case "docs": {
      const release = parseDocsName(name);
      return release === undefined ? undefined : { kind: "documentation", repository, ...release };
    }
    case "installs":
      return { kind: "installer", path: name };
    default:
      return undefined;
  }
}
