/** Questions about certificates. Pure. */
import { X509Certificate, createPrivateKey } from "node:crypto";
import { isIP, isIPv6 } from "node:net";
import type { KeyAndCertificate } from "./certificates.ts";

const renewDaysBefore = 30;

export function isStillGood(pair: KeyAndCertificate, authority: string, hosts: readonly string[], now: Date): boolean {
  const parsed = new X509Certificate(pair.cert);
  const isFar = daysLeft(pair.cert, now) > renewDaysBefore;
  return isFar && isIssuedBy(pair, authority) && hosts.every((host) => namesHost(parsed, host));
}

function isIssuedBy(pair: KeyAndCertificate, authority: string): boolean {
  const parsed = new X509Certificate(pair.cert);
  // A process that was killed between the two files leaves a key that is not this certificate's.
  return parsed.checkPrivateKey(createPrivateKey(pair.key)) && parsed.verify(new X509Certificate(authority).publicKey);
}

/** Whether clients take it today, whatever hosts it names. */
export function isValid(pair: KeyAndCertificate, authority: string, now: Date): boolean {
  return isIssuedBy(pair, authority) && daysLeft(pair.cert, now) > 0;
}

function daysLeft(cert: string, now: Date): number {
  return (Date.parse(new X509Certificate(cert).validTo) - now.getTime()) / 86_400_000;
}

export function namesHost(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  // Compared as text: checkHost() refuses names with an underscore, which compose services may have.
  const names = (certificate.subjectAltName ?? "").split(", ");
  return names.includes(`DNS:${host}`) || names.includes(`DNS:*.${host.replace(/^[^.]*\./, "")}`);
}

export function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** The DNS names and addresses of a certificate. */
export function namesOf(certificate: X509Certificate): string[] {
  const entries = (certificate.subjectAltName ?? "").split(", ");
  const names = entries.map((entry) => entry.replace(/^(?:DNS|IP Address):/, "")).filter((entry) => entry !== "");
  // Node shows `0:0:0:0:0:0:0:1` for what everybody else calls `::1`.
  return names.map((name) => (isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name));
}
