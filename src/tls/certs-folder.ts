/**
 * `certs/`: ca.pem and ca.key (the local authority), public/ca.pem (the same certificate, in a folder without keys),
 * server.pem and server.key (what the server shows). Made on first
 * use; the server certificate is made again when hosts were added or its end is near. Clients trust ca.pem only, so
 * that renewing costs them nothing. The authority's key may be forgotten; then nothing can be renewed.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { readIfPresent, writeAtomic, writeIfChanged } from "../store/atomic.ts";
import { takeWritersLock } from "../store/writers-lock.ts";
import { makeAuthority, makeServerCertificate, mayVouchFor, type KeyAndCertificate } from "./certificates.ts";

export interface ServerIdentity extends KeyAndCertificate {
  /** What clients have to trust, PEM; undefined for a certificate that they trust as it is. */
  readonly caCertificate: string | undefined;
  /** Hosts that the certificate lacks, and cannot get. */
  readonly uncovered: readonly string[];
  readonly validTo: Date;
  /** Whether it is renewed by itself: the authority's key is here. */
  readonly isRenewable: boolean;
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

interface Authority {
  readonly cert: string;
  /** undefined: forgotten. */
  readonly key: string | undefined;
}

export interface IdentityOptions {
  readonly now?: Date;
  /** Whether to make an authority where there is none; a server that runs must not: somebody is just replacing it. */
  readonly mayCreate?: boolean;
  /** Whether the authority's key goes when it has signed. */
  readonly forgetCaKey?: boolean;
}

/** @param hosts every name and address to answer for @throws MirrorError `storage`, `config` */
export async function loadServerIdentity(
  certsDir: string,
  hosts: readonly string[],
  options: IdentityOptions = {},
): Promise<ServerIdentity> {
  const present = await readIdentity(certsDir, hosts, options);
  // What is good is read without the lock, since the folder may be read-only.
  const isDone = present?.isGood === true && (options.forgetCaKey !== true || present.authority.key === undefined);
  if (isDone) {
    await publish(certsDir, present.authority.cert);
    return identityOf(present.authority, present.pair, hosts);
  }
  return asOnlyWriter(certsDir, () => makeIdentity(certsDir, hosts, options));
}

interface Present {
  readonly authority: Authority;
  readonly pair: KeyAndCertificate;
  readonly isGood: boolean;
}

async function readIdentity(
  certsDir: string,
  hosts: readonly string[],
  { now = new Date() }: IdentityOptions,
): Promise<Present | undefined> {
  const authority = await readAuthority(certsDir);
  const pair = authority === undefined ? undefined : await readPair(certsDir, "server");
  if (authority === undefined || pair === undefined) return undefined;
  const covered = hosts.filter((host) => mayVouchFor(authority.cert, host));
  return { authority, pair, isGood: isStillGood(pair, authority.cert, covered, now) };
}

/** For callers that hold the folder's lock. */
async function makeIdentity(
  certsDir: string,
  hosts: readonly string[],
  { now = new Date(), forgetCaKey = false, mayCreate = true }: IdentityOptions,
): Promise<ServerIdentity> {
  const held = await readAuthority(certsDir);
  if (held === undefined && !mayCreate) throw new MirrorError("config", `${join(certsDir, "ca.pem")} is missing`);
  const authority = held ?? (await createAuthority(certsDir, hosts, now));
  const present = await readPair(certsDir, "server");
  // What another server that shares the folder needs stays: they must not renew it against each other for ever.
  const all = [...new Set([...hosts, ...(present === undefined ? [] : namesOf(new X509Certificate(present.cert)))])];
  const covered = all.filter((host) => mayVouchFor(authority.cert, host));
  const isGood = present !== undefined && isStillGood(present, authority.cert, covered, now);
  const pair = isGood ? present : await renew(certsDir, { authority, present, covered, now });
  await publish(certsDir, authority.cert);
  if (forgetCaKey) await rm(join(certsDir, "ca.key"), { force: true });
  return identityOf(forgetCaKey ? { ...authority, key: undefined } : authority, pair, hosts);
}

function identityOf(authority: Authority, pair: KeyAndCertificate, hosts: readonly string[]): ServerIdentity {
  const certificate = new X509Certificate(pair.cert);
  return {
    ...pair,
    caCertificate: authority.cert,
    uncovered: hosts.filter((host) => !namesHost(certificate, host)),
    validTo: new Date(certificate.validTo),
    isRenewable: authority.key !== undefined,
  };
}

/** A server and a `certs renew` may come to write at once: what one leaves must be one authority's. */
async function asOnlyWriter<T>(certsDir: string, work: () => Promise<T>): Promise<T> {
  const lock = await takeWritersLock(join(certsDir, ".lock"), () => undefined);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** A folder that containers can be given whole: the authority's certificate, and no key. */
async function publish(certsDir: string, authority: string): Promise<void> {
  try {
    await writeIfChanged(join(certsDir, "public", "ca.pem"), authority);
  } catch (error) {
    // Such as a folder that an engine made for its mount, as root: it is served at /ca.pem all the same.
    if (!(error instanceof MirrorError) || error.code !== "storage") throw error;
  }
}

/** Without the authority's key, a certificate that still holds stays as it is, whatever hosts were added. */
async function renew(
  certsDir: string,
  {
    authority,
    present,
    covered,
    now,
  }: { authority: Authority; present: KeyAndCertificate | undefined; covered: readonly string[]; now: Date },
): Promise<KeyAndCertificate> {
  if (authority.key !== undefined) {
    const made = makeServerCertificate({ cert: authority.cert, key: authority.key }, covered, now);
    await writePair(certsDir, "server", made);
    return made;
  }
  if (present !== undefined && isIssuedBy(present, authority.cert) && daysLeft(present.cert, now) > 0) return present;
  throw new MirrorError(
    "config",
    `the server certificate in ${certsDir} is missing or has ended, and the authority's key is forgotten: run ` +
      '"mirror-server certs renew --new-ca", and give its ca.pem to every client',
  );
}

/**
 * A new server certificate, whatever is there. @param newCa under a new authority, which clients have to trust anew
 * @throws MirrorError `config` when the authority's key is forgotten
 */
export async function renewServerIdentity(
  certsDir: string,
  hosts: readonly string[],
  newCa: boolean,
  options: IdentityOptions = {},
): Promise<ServerIdentity> {
  return asOnlyWriter(certsDir, async () => {
    const authority = await readAuthority(certsDir, newCa);
    if (!newCa && authority !== undefined && authority.key === undefined) {
      throw new MirrorError(
        "config",
        `the key of the authority in ${certsDir} is forgotten, so it cannot sign another certificate: run ` +
          '"mirror-server certs renew --new-ca", and give its ca.pem to every client',
      );
    }
    const stale = ["server.pem", "server.key", ...(newCa ? ["ca.key", "ca.pem"] : [])];
    for (const file of stale) await rm(join(certsDir, file), { force: true });
    return makeIdentity(certsDir, hosts, options);
  });
}

/** A certificate of the user's own. @throws MirrorError `config` */
export async function readOwnIdentity(
  files: { readonly cert: string; readonly key: string; readonly ca: string | undefined },
  hosts: readonly string[],
): Promise<ServerIdentity> {
  const read = async (file: string) =>
    (await readFile(file, "utf8").catch((cause: unknown) => {
      throw new MirrorError("config", `cannot read ${file}`, { cause });
    })) satisfies string;
  const [cert, key] = [await read(files.cert), await read(files.key)];
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error("the key is another certificate's");
  } catch (cause) {
    throw new MirrorError("config", `${files.cert} and ${files.key} are no certificate and its key`, { cause });
  }
  return {
    cert,
    key,
    caCertificate: files.ca === undefined ? undefined : await read(files.ca),
    uncovered: hosts.filter((host) => !namesHost(certificate, host)),
    validTo: new Date(certificate.validTo),
    isRenewable: false,
  };
}

async function createAuthority(certsDir: string, hosts: readonly string[], now: Date): Promise<KeyAndCertificate> {
  const made = makeAuthority([...new Set([...generousHosts, ...hosts])], now);
  await writeIfChanged(join(certsDir, ".gitignore"), gitignore);
  await writePair(certsDir, "ca", made);
  return made;
}

function isStillGood(pair: KeyAndCertificate, authority: string, hosts: readonly string[], now: Date): boolean {
  const parsed = new X509Certificate(pair.cert);
  const isFar = daysLeft(pair.cert, now) > renewDaysBefore;
  return isFar && isIssuedBy(pair, authority) && hosts.every((host) => namesHost(parsed, host));
}

function isIssuedBy(pair: KeyAndCertificate, authority: string): boolean {
  const parsed = new X509Certificate(pair.cert);
  // A process that was killed between the two files leaves a key that is not this certificate's.
  return parsed.checkPrivateKey(createPrivateKey(pair.key)) && parsed.verify(new X509Certificate(authority).publicKey);
}

function daysLeft(cert: string, now: Date): number {
  return (Date.parse(new X509Certificate(cert).validTo) - now.getTime()) / 86_400_000;
}

function namesHost(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  // Compared as text: checkHost() refuses names with an underscore, which compose services may have.
  const names = (certificate.subjectAltName ?? "").split(", ");
  return names.includes(`DNS:${host}`) || names.includes(`DNS:*.${host.replace(/^[^.]*\./, "")}`);
}

/** @param isDoomed whether it will be replaced, so that what is wrong with it does not matter */
async function readAuthority(certsDir: string, isDoomed = false): Promise<Authority | undefined> {
  const cert = (await readIfPresent(join(certsDir, "ca.pem")))?.toString("utf8");
  const key = (await readIfPresent(join(certsDir, "ca.key")))?.toString("utf8");
  if (cert === undefined && key !== undefined && !isDoomed) {
    throw new MirrorError("config", `${join(certsDir, "ca.pem")} is missing; put it back, or delete ca.key too`);
  }
  if (cert === undefined) return undefined;
  if (key !== undefined && !isDoomed && !isPair(cert, key)) {
    throw new MirrorError(
      "config",
      `ca.key in ${certsDir} is not the key of ca.pem there; run "mirror-server certs renew --new-ca"`,
    );
  }
  return { cert, key };
}

function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** The DNS names and addresses of a certificate. */
function namesOf(certificate: X509Certificate): string[] {
  const entries = (certificate.subjectAltName ?? "").split(", ");
  return entries.map((entry) => entry.replace(/^(?:DNS|IP Address):/, "")).filter((entry) => entry !== "");
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
