/** Renews the certificates in the certs folder; a server that runs sees it by itself. */
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { isTracked } from "../git/tracked.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { renewServerIdentity } from "../tls/certs-folder.ts";
import type { Context } from "../store/context.ts";
import { hostsToAnswerFor, type IdentityKey } from "../tls/live-identity.ts";

export interface RenewedCertificates {
  /** What clients trust. */
  readonly ca: string;
  readonly hosts: readonly string[];
  /** ISO 8601. */
  readonly validTo: string;
  readonly uncovered: readonly string[];
}

export async function renewCertificates(
  { config, paths, reporter }: Context<IdentityKey>,
  { newCa }: { readonly newCa: boolean },
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<RenewedCertificates> {
  const { certsDir, forgetCaKey } = config;
  if (config.ownCertificate !== undefined) {
    throw new MirrorError("config", "--tls-cert: a certificate of your own is renewed by whoever issued it");
  }
  const hosts = hostsToAnswerFor(config, listServedHosts(paths));
  const tracked = (path: string) => isTracked(path, gitEnvironments);
  const renewed = await renewServerIdentity(certsDir, hosts, newCa, { forgetCaKey, isTracked: tracked });
  const { validTo, uncovered, warnings = [] } = renewed;
  for (const warning of warnings) reporter.warn(warning);
  return {
    ca: join(certsDir, "ca.pem"),
    hosts: hosts.filter((host) => !uncovered.includes(host)),
    validTo: validTo.toISOString(),
    uncovered,
  };
}
