/**
 * `certs/`: ca.pem and ca.key (the local authority), public/ca.pem (the same certificate, in a folder without keys),
 * server.pem and server.key (what the server shows). Made on first use; the server certificate is made again when hosts
 * were added or its end is near. Clients trust ca.pem only, so that renewing costs them nothing. The authority's key may
 * be forgotten; then nothing can be renewed.
 */
import { X509Certificate } from "node:crypto";
import type { Place } from "../disk/place.ts";
import { takeWritersLock } from "../disk/writers-lock.ts";
import { MirrorError } from "../errors.ts";
import { checkAuthorityKey, requireConstrained } from "./authority-checks.ts";
import { isStillGood, isValid, namesOf } from "./certificate-checks.ts";
import type { KeyAndCertificate } from "./certificates.ts";
import { certsPlace, publish, readAuthority, readPair, writePair, type Authority } from "./certs-files.ts";
import { forges, hexApiHost } from "../names/known-hosts.ts";
import { mayVouchFor } from "./name-constraints.ts";
import { identityOf, type ServerIdentity } from "./server-identity.ts";

/** Whom the authority may speak for besides the mirror's own hosts: the forges and Hex's servers. */
const generousHosts = [
  "localhost",
  "127.0.0.1",
  "::1",
  "app_deps",
  ...forges,
  hexApiHost,
  "hexdocs.pm",
  "rebar3.s3.amazonaws.com",
  "registry.npmjs.org",
];

const gitignore = "# Written by mirror-server: keys and certificates of this machine.\n*\n!.gitignore\n!README.md\n";

export interface IdentityOptions {
  readonly now?: Date;
  /** Whether to make an authority where there is none; a server that runs must not: somebody is just replacing it. */
  readonly mayCreate?: boolean;
  /** Whether the authority's key goes when it has signed. */
  readonly forgetCaKey?: boolean;
  /** Whether git keeps a file. */
  readonly isTracked?: (path: string) => Promise<boolean>;
}

/** @param hosts every name and address to answer for @throws MirrorError `storage`, `config` */
export async function loadServerIdentity(
  certsDir: string,
  hosts: readonly string[],
  options: IdentityOptions = {},
): Promise<ServerIdentity> {
  const certs = certsPlace(certsDir);
  const warnings = await checkAuthority(certs, options);
  // Without the lock, since the folder may be read-only. What somebody is just writing is looked at again under it.
  const present = await readIdentity(certs, hosts, options).catch(() => undefined);
  const isKeyGone = present?.authority.key === undefined;
  const isDone = present?.isGood === true && (options.forgetCaKey !== true || isKeyGone);
  // Where nothing can be renewed there is nothing to write either.
  if (present !== undefined && (isDone || (isKeyGone && present.isValid))) {
    await publish(certs, present.authority.cert);
    return { ...identityOf(present.authority, present.pair, hosts), warnings };
  }
  return { ...(await asOnlyWriter(certs, () => makeIdentity(certs, hosts, options))), warnings };
}

/** As it lies there: for a server that writes nothing. @throws MirrorError `config` where there is none, or it has ended */
export async function readServerIdentity(certsDir: string, hosts: readonly string[]): Promise<ServerIdentity> {
  const present = await readIdentity(certsPlace(certsDir), hosts, {});
  if (present?.isValid === true) return identityOf({ ...present.authority, key: undefined }, present.pair, hosts);
  const what =
    present === undefined ? `${certsDir} holds no ca.pem, server.pem and server.key` : `that in ${certsDir} has ended`;
  throw new MirrorError(
    "config",
    `a replica makes no certificate, and ${what}: "mirror-server certs export" gives one where the mirror is written`,
  );
}

/** @returns what is to be told @throws MirrorError `config` for an authority that is not to be trusted */
async function checkAuthority(certs: Place, { isTracked = async () => false }: IdentityOptions): Promise<string[]> {
  const authority = await readAuthority(certs);
  if (authority === undefined) return [];
  requireConstrained(authority.cert, certs.at("ca.pem").path);
  const warning = authority.key === undefined ? undefined : await checkAuthorityKey(certs.at("ca.key"), isTracked);
  return warning === undefined ? [] : [warning];
}

interface Present {
  readonly authority: Authority;
  readonly pair: KeyAndCertificate;
  /** It need not be renewed. */
  readonly isGood: boolean;
  /** It has not ended. */
  readonly isValid: boolean;
}

async function readIdentity(
  certs: Place,
  hosts: readonly string[],
  { now = new Date() }: IdentityOptions,
): Promise<Present | undefined> {
  const authority = await readAuthority(certs);
  const pair = authority === undefined ? undefined : await readPair(certs, "server");
  if (authority === undefined || pair === undefined) return undefined;
  const covered = hosts.filter(mayVouchFor(authority.cert));
  return {
    authority,
    pair,
    isGood: isStillGood(pair, authority.cert, covered, now),
    isValid: isValid(pair, authority.cert, now),
  };
}

/** Making one loads all of node-forge, which a start with a good one has no use for. */
const certificates = () => import("./certificates.ts");

/** For callers that hold the folder's lock. */
async function makeIdentity(
  certs: Place,
  hosts: readonly string[],
  { now = new Date(), forgetCaKey = false, mayCreate = true }: IdentityOptions,
): Promise<ServerIdentity> {
  const held = await readAuthority(certs);
  if (held === undefined && !mayCreate) throw new MirrorError("config", `${certs.at("ca.pem").path} is missing`);
  const authority = held ?? (await createAuthority(certs, hosts, now));
  const present = await readPair(certs, "server");
  // What another server that shares the folder needs stays: they must not renew it against each other for ever.
  const all = [...new Set([...hosts, ...(present === undefined ? [] : namesOf(new X509Certificate(present.cert)))])];
  const covered = all.filter(mayVouchFor(authority.cert));
  const isGood = present !== undefined && isStillGood(present, authority.cert, covered, now);
  const pair = isGood ? present : await renew(certs, { authority, present, covered, now });
  await publish(certs, authority.cert);
  if (forgetCaKey) await certs.at("ca.key").remove();
  return identityOf(forgetCaKey ? { ...authority, key: undefined } : authority, pair, hosts);
}

/** A server and a `certs renew` may come to write at once: what one leaves must be one authority's. */
async function asOnlyWriter<T>(certs: Place, work: () => Promise<T>): Promise<T> {
  const lock = await takeWritersLock(certs.at(".lock"), { onWait: () => undefined });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** Without the authority's key, a certificate that still holds stays as it is, whatever hosts were added. */
async function renew(
  certs: Place,
  {
    authority,
    present,
    covered,
    now,
  }: { authority: Authority; present: KeyAndCertificate | undefined; covered: readonly string[]; now: Date },
): Promise<KeyAndCertificate> {
  if (authority.key !== undefined) {
    const { makeServerCertificate } = await certificates();
    const made = makeServerCertificate({ cert: authority.cert, key: authority.key }, covered, now);
    await writePair(certs, "server", made);
    return made;
  }
  if (present !== undefined && isValid(present, authority.cert, now)) return present;
  throw new MirrorError(
    "config",
    `the server certificate in ${certs.path} is missing or has ended, and the authority's key is forgotten: run ` +
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
  const certs = certsPlace(certsDir);
  return asOnlyWriter(certs, async () => {
    const authority = await readAuthority(certs, newCa);
    if (!newCa && authority !== undefined && authority.key === undefined) {
      throw new MirrorError(
        "config",
        `the key of the authority in ${certsDir} is forgotten, so it cannot sign another certificate: run ` +
          '"mirror-server certs renew --new-ca", and give its ca.pem to every client',
      );
    }
    const warnings = newCa ? [] : await checkAuthority(certs, options);
    const stale = ["server.pem", "server.key", ...(newCa ? ["ca.key", "ca.pem"] : [])];
    for (const file of stale) await certs.at(file).remove();
    return { ...(await makeIdentity(certs, hosts, options)), warnings };
  });
}

async function createAuthority(certs: Place, hosts: readonly string[], now: Date): Promise<KeyAndCertificate> {
  const { makeAuthority } = await certificates();
  const made = makeAuthority([...new Set([...generousHosts, ...hosts])], now);
  await certs.at(".gitignore").writeIfChanged(gitignore);
  await writePair(certs, "ca", made);
  return made;
}
