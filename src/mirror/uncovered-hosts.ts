/**
 * Hosts that the mirror stands in for, and that its authority may not vouch for, since it was made before anything of them was
 * wanted: told when it is fetched, and not when the first client fails.
 */
import { isFile, readText } from "../disk/files.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { caFileOf, type AuthorityKey } from "../store/trust.ts";
import type { Context } from "../store/context.ts";
import { mayVouchFor } from "../tls/name-constraints.ts";

export async function tellUncoveredHosts({ config, paths, reporter }: Context<AuthorityKey>): Promise<void> {
  const file = caFileOf(config);
  // A certificate of the user's own is its owner's affair; where there is no authority, the one that is made will do.
  if (config.ownCertificate !== undefined || !isFile(file)) return;
  const mayVouch = mayVouchFor(await readText(file));
  const uncovered = listServedHosts(paths).filter((host) => !mayVouch(host));
  if (uncovered.length === 0) return;
  reporter.warn(
    `${file} may not vouch for ${uncovered.join(", ")}, so no client can ask this mirror by TLS in their place; ` +
      '"mirror-server certs renew --new-ca" makes one that may, which clients have to trust anew',
  );
}
