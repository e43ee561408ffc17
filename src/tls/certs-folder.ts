/**
 * `certs/`: ca.pem and ca.key (the local authority), server.pem and server.key (what the server shows). Made on first
 * use; the server certificate is made again when hosts were added or its end is near. Clients trust ca.pem only, so
 * that renewing costs them nothing.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { isIP } from "node:net";
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { readIfPresent, writeAtomic, writeIfChanged } from "../store/atomic.ts";
import { makeAuthority, makeServerCertificate, mayVouchFor, type KeyAndCertificate } from "./certificates.ts";

export interface ServerIdentity extends KeyAndCertificate {
  /** What clients have to trust, PEM. */
  readonly caCertificate: string;
  /** Hosts that the authority may not speak for, and that the certificate therefore lacks. */
  readonly uncovered: readonly string[];
}

/** Whom the authority may speak for besides the mirror's own hosts: the forges and Hex's servers. */
const generousHosts = [
  "localhost",
  "127.0.0.1",
  "::1",
  "app_deps",
  "github.com",
  "gitlab.com",
  "bitbucket.org",
  "codeberg.org",
  "git.sr.ht",
  "hex.pm",
  "hexdocs.pm",
  "rebar3.s3.amazonaws.com",
  "registry.npmjs.org",
];

const gitignore = "# Written by mirror-server: keys and certificates of this machine.\n*\n!.gitignore\n!README.md\n";
const renewDaysBefore = 30;

/** @param hosts every name and address to answer for @throws MirrorError `storage`, `config` */
export async function loadServerIdentity(
  certsDir: string,
  hosts: readonly string[],
  now = new Date(),
): Promise<ServerIdentity> {
  const authority = (await readPair(certsDir, "ca")) ?? (await createAuthority(certsDir, hosts, now));
  const isPermitted = (host: string) => mayVouchFor(authority.cert, host);
  const covered = hosts.filter(isPermitted);
  const uncovered = hosts.filter((host) => !isPermitted(host));
  const present = await readPair(certsDir, "server");
  if (present !== undefined && isStillGood(present, authority.cert, covered, now)) {
    return { ...present, caCertificate: authority.cert, uncovered };
  }
  const made = makeServerCertificate(authority, covered, now);
  await writePair(certsDir, "server", made);
  return { ...made, caCertificate: authority.cert, uncovered };
}

async function createAuthority(certsDir: string, hosts: readonly string[], now: Date): Promise<KeyAndCertificate> {
  const made = makeAuthority([...new Set([...generousHosts, ...hosts])], now);
  await writeIfChanged(join(certsDir, ".gitignore"), gitignore);
  await writePair(certsDir, "ca", made);
  return made;
}

function isStillGood(pair: KeyAndCertificate, authority: string, hosts: readonly string[], now: Date): boolean {
  const parsed = new X509Certificate(pair.cert);
  // A process that was killed between the two files leaves a key that is not this certificate's.
  const isPair = parsed.checkPrivateKey(createPrivateKey(pair.key));
  const isIssued = isPair && parsed.verify(new X509Certificate(authority).publicKey);
  const daysLeft = (Date.parse(parsed.validTo) - now.getTime()) / 86_400_000;
  return isIssued && daysLeft > renewDaysBefore && hosts.every((host) => namesHost(parsed, host));
}

function namesHost(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  // Compared as text: checkHost() refuses names with an underscore, which compose services may have.
  return (certificate.subjectAltName ?? "").split(", ").includes(`DNS:${host}`);
}

async function readPair(certsDir: string, name: string): Promise<KeyAndCertificate | undefined> {
  const cert = await readIfPresent(join(certsDir, `${name}.pem`));
  const key = await readIfPresent(join(certsDir, `${name}.key`));
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    const missing = cert === undefined ? `${name}.pem` : `${name}.key`;
    throw new MirrorError("config", `${join(certsDir, missing)} is missing; put it back, or delete its other half too`);
  }
  return { cert: cert.toString("utf8"), key: key.toString("utf8") };
}

async function writePair(certsDir: string, name: string, pair: KeyAndCertificate): Promise<void> {
  await writeAtomic(join(certsDir, `${name}.key`), pair.key, 0o600);
  await writeAtomic(join(certsDir, `${name}.pem`), pair.cert);
}
