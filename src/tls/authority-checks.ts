/**
 * May the authority in the certs folder be trusted with what it is for, and with nothing else? Clients that trust it for
 * a mirror must not thereby trust it for a bank; and whoever else has its key can speak for github.com to them.
 */
import { statSync } from "node:fs";
import { readIfPresent } from "../disk/files.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { isConstrained } from "./name-constraints.ts";

const remedy = 'run "mirror-server certs renew --new-ca", and give its ca.pem to every client';

/** @param pem every certificate in it, since clients trust each @throws MirrorError `config` */
export function requireConstrained(pem: string, where: string): void {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new MirrorError("config", `${where} holds no certificate; ${remedy}`);
  if (certificates.every((certificate) => isConstrained(certificate))) return;
  throw new MirrorError(
    "config",
    `the authority in ${where} may speak for any host, since it has no critical name constraints; ${remedy}`,
  );
}

/** For clients. @param caFile of the certs folder; nothing is wrong with one that is not there */
export async function requireConstrainedFile(caFile: string): Promise<void> {
  const pem = (await readIfPresent(caFile))?.toString("utf8");
  if (pem !== undefined) requireConstrained(pem, caFile);
}

/**
 * @param isTracked whether git keeps a file @returns what is to be told, if anything
 * @throws MirrorError `config` for a key that others have, or may replace
 */
export async function checkAuthorityKey(
  key: Place,
  isTracked: (path: string) => Promise<boolean>,
): Promise<string | undefined> {
  const refuse = (why: string) =>
    new MirrorError("config", `the authority's key ${key.path} ${why}${why.endsWith("then") ? "" : ";"} ${remedy}`);
  const others = modeOf(key.path) & 0o077;
  if (others & 0o022) throw refuse("may be written by others");
  if (await isTracked(key.path))
    throw refuse("is kept by git, so everybody who has that repository can use it: git rm --cached it first, then");
  if (others === 0) return undefined;
  // A mounted secret, or a file system without modes, cannot do otherwise.
  await key.setMode(0o600).catch(() => undefined);
  if ((modeOf(key.path) & 0o077) === 0) return undefined;
  return `the authority's key ${key.path} may be read by others, and its mode cannot be changed; keep it for this user alone`;
}

/** Of what a link leads to; 0 where there is none, or where modes mean nothing. */
function modeOf(path: string): number {
  if (process.platform === "win32") return 0;
  return statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
}
