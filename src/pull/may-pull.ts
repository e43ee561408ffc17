/**
 * Which git repositories are fetched because a client asks for them: of listed hosts only, and where others than this machine's
 * users ask, of listed owners, or as a lock or the configuration names them.
 */
import type { Config } from "../config.ts";
import type { Lock } from "../lock/entries.ts";
import { MirrorError } from "../errors.ts";
import { isLoopback } from "../names/addresses.ts";
import { repositoryJobs, repositoryKey } from "../plan/repositories.ts";

export type MayPullKey = "host" | "allowOwners";

export interface Asked {
  readonly host: string;
  readonly path: string;
}

/** @throws MirrorError `not_found` saying what would allow it */
export type RequireMayPull = (asked: Asked) => Promise<void>;

export interface MayPullTools {
  readonly hosts: ReadonlySet<string>;
  readonly known: () => Promise<readonly Lock[]>;
}

export function createMayPull(
  { host: listening, allowOwners }: Pick<Config, MayPullKey>,
  { hosts, known }: MayPullTools,
): RequireMayPull {
  const owners = new Set(allowOwners.map((each) => each.toLowerCase()));
  const isOpen = !isLoopback(listening);
  return async (asked) => {
    const { host, path } = asked;
    const shown = `https://${host}/${path} is not in this mirror`;
    const isNamed = async () => {
      const { jobs } = repositoryJobs(await known());
      return jobs.some((job) => repositoryKey(job) === repositoryKey(asked));
    };
    const owner = (path.split("/", 1)[0] ?? "").toLowerCase();
    const isOwnerAllowed = owners.has(owner) || owners.has(`${host}/${owner}`);
    if (!hosts.has(host)) {
      if (await isNamed()) return;
      throw new MirrorError(
        "not_found",
        `${shown}, and ${host} is no host that it asks; --allow-hosts ${host} lets it`,
      );
    }
    if (isOwnerAllowed || (owners.size === 0 && !isOpen) || (await isNamed())) return;
    const why = owners.size > 0 ? "its owner is none of --allow-owners" : "it serves others than this machine";
    throw new MirrorError("not_found", `${shown}, and is not fetched, since ${why}; --allow-owners ${owner} lets it`);
  };
}
