/** Renews the certificates in the certs folder; a server that runs sees it by itself. Gives replicas one, without the authority's key. */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { Place, writeTogether } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { isTracked } from "../git/tracked.ts";
import { listServedHosts } from "../store/served-hosts.ts";
import { loadServerIdentity, renewServerIdentity } from "../tls/certs-folder.ts";
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

/** What a replica shows: PEM. The key of the authority stays where it is. */
export interface ExportedCertificates {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly hosts: readonly string[];
  readonly uncovered: readonly string[];
  /** ISO 8601. */
  readonly validTo: string;
}

/** Made where there is none yet, and anew where it does not name all hosts. @throws MirrorError */
export async function exportCertificates(
  { config, paths, reporter }: Context<IdentityKey>,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<ExportedCertificates> {
  if (config.ownCertificate !== undefined) {
    throw new MirrorError(
      "config",
      "--tls-cert: a certificate of your own goes to replicas as it is; give them its files",
    );
  }
  const hosts = hostsToAnswerFor(config, listServedHosts(paths));
  const tracked = (path: string) => isTracked(path, gitEnvironments);
  const {
    cert,
    key,
    caCertificate,
    uncovered,
    validTo,
    warnings = [],
  } = await loadServerIdentity(config.certsDir, hosts, { isTracked: tracked });
  for (const warning of warnings) reporter.warn(warning);
  if (caCertificate === undefined) throw new MirrorError("config", `${config.certsDir} holds no authority`);
  const named = hosts.filter((host) => !uncovered.includes(host));
  return { cert, key, ca: caCertificate, hosts: named, uncovered, validTo: validTo.toISOString() };
}

/** Files as Kubernetes mounts such a Secret: `tls.crt`, `tls.key`, `ca.crt`. @param dir absolute @throws MirrorError */
export async function writeExported(dir: string, { cert, key, ca }: ExportedCertificates): Promise<void> {
  const folder = Place.root({ dir, noun: "a folder of exported certificates", isOne: () => false });
  const held = ["tls.key", "tls.crt", "ca.crt"].filter((name) => folder.at(name).look() !== undefined);
  // An export of before, though the authority be another by now.
  const isOurs = async (name: string) => isOfLocalAuthority((await folder.at(name).read())?.toString("utf8") ?? "");
  const isExport = held.includes("ca.crt") && (await isOurs("ca.crt"));
  if (held.length > 0 && !(isExport && (!held.includes("tls.crt") || (await isOurs("tls.crt"))))) {
    throw new MirrorError("config", `${dir} has a ${held[0]} of something else; give another folder`);
  }
  await writeTogether([
    { place: folder.at("tls.key"), content: key, mode: 0o600 },
    { place: folder.at("tls.crt"), content: cert },
    { place: folder.at("ca.crt"), content: ca },
  ]);
}

/** Whether an authority issued it that mirror-server made (tls/certificates.ts), or it is one: this mirror's, or the one before. */
function isOfLocalAuthority(cert: string): boolean {
  try {
    return new X509Certificate(cert).issuer.split("\n").includes("O=mirror-server");
  } catch {
    return false;
  }
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
