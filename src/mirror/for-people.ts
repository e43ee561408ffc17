/** What a server's page needs of rooms above it: how clients are set up, and what is fetched just now. */
import { clientSnippets } from "../clients/snippets.ts";
import type { Work } from "../facts/shape.ts";
import { hexpm } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import type { ClientSnippet } from "../page/clients.tsx";
import type { Pull } from "../pull/pull.ts";
import type { StorePaths } from "../store/paths.ts";
import type { LiveIdentity } from "../tls/live-identity.ts";

export interface SnippetSources {
  readonly paths: StorePaths;
  /** That are stood in for. */
  readonly hosts: readonly string[];
  readonly isGuarded: boolean;
  readonly pulls: boolean;
  readonly identity: LiveIdentity | undefined;
}

export async function snippetsAt(
  url: string,
  { paths, hosts, isGuarded, pulls, identity }: SnippetSources,
): Promise<ClientSnippet[]> {
  const { publicKey, upstreamPackagesDir } = paths.registry(hexpm);
  return clientSnippets({
    url,
    gitHosts: hosts.filter((host) => !hexHosts.has(host)),
    hasUpstream: pulls || upstreamPackagesDir.isFolder(),
    publicKey: (await publicKey.read())?.toString("utf8"),
    isGuarded,
    hasAuthority: url.startsWith("https:") && identity?.current().caCertificate !== undefined,
  });
}

export function pullsUnderWay(pull: Pull | undefined): Work[] {
  return (pull?.underWay() ?? []).map(({ what, host, ms }) => ({
    name: `${what} from ${host}`,
    began: new Date(Date.now() - ms).toISOString(),
    ended: null,
    total: 0,
    done: 0,
    failed: 0,
    bytes: 0,
    current: "",
    notes: [],
  }));
}
