/** How clients are set up, for the page of a server. */
import { clientSnippets } from "../clients/snippets.ts";
import { hexpm } from "../names/hex-repository.ts";
import { hexHosts } from "../names/known-hosts.ts";
import type { ClientSnippet } from "../page/clients.tsx";
import type { StorePaths } from "../store/paths.ts";
import { hexpmFingerprint, trustedKey } from "../store/trust.ts";
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
  // Clients check upstream's records by the key of hex.pm, which they have.
  const trusted = await trustedKey(paths, hexpm).catch(() => undefined);
  const isOfHexpm = trusted === undefined ? pulls : trusted.key === hexpmFingerprint;
  return clientSnippets({
    url,
    gitHosts: hosts.filter((host) => !hexHosts.has(host)),
    hasUpstream: isOfHexpm && (pulls || upstreamPackagesDir.isFolder()),
    publicKey: (await publicKey.read())?.toString("utf8"),
    isGuarded,
    hasAuthority: url.startsWith("https:") && identity?.current().caCertificate !== undefined,
  });
}
