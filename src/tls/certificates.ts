/**
 * The local authority and the server certificate that it signs, made with node-forge. The authority may only ever
 * speak for the hosts that it is constrained to (RFC 5280, 4.2.1.10, critical), so that trusting it for a mirror does
 * not mean trusting it for a bank. Keys are made by Node's own OpenSSL: forge takes seconds for one.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import forge from "node-forge";
import { nameConstraints, nameConstraintsId } from "./name-constraints.ts";

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

const day = 24 * 60 * 60 * 1000;
// Apple's limit for server certificates of private authorities is 825 days.
const serverDays = 820;
const authorityDays = 3650;

/** @param hosts names (each with all below it) and addresses that the authority may speak for */
export function makeAuthority(hosts: readonly string[], now: Date): KeyAndCertificate {
  const { key, cert } = newCertificate(now, authorityDays);
  const subject = [
    { name: "commonName", value: `mirror-server local authority ${cert.serialNumber.slice(0, 8)}` },
    { name: "organizationName", value: "mirror-server" },
  ];
  cert.setSubject(subject);
  cert.setIssuer(subject);
  cert.setExtensions([
    { name: "basicConstraints", cA: true, pathLenConstraint: 0, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    { name: "subjectKeyIdentifier" },
    { id: nameConstraintsId, critical: true, value: nameConstraints(hosts) },
  ]);
  const signingKey = forge.pki.privateKeyFromPem(key);
  cert.sign(signingKey, forge.md.sha256.create());
  return { key, cert: forge.pki.certificateToPem(cert) };
}

/** @param hosts names and addresses that the server answers for; the first is its common name */
export function makeServerCertificate(
  authority: KeyAndCertificate,
  hosts: readonly string[],
  now: Date,
): KeyAndCertificate {
  const issuer = forge.pki.certificateFromPem(authority.cert);
  const { key, cert } = newCertificate(now, serverDays);
  cert.setSubject([{ name: "commonName", value: hosts[0] ?? "localhost" }]);
  cert.setIssuer(issuer.subject.attributes);
  cert.setExtensions([
    { name: "basicConstraints", cA: false, critical: true },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true, critical: true },
    { name: "extKeyUsage", serverAuth: true },
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
    {
      name: "subjectAltName",
      altNames: hosts.map((host) => (isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host })),
    },
  ]);
  cert.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  return { key, cert: forge.pki.certificateToPem(cert) };
}

function newCertificate(now: Date, days: number): { key: string; cert: forge.pki.Certificate } {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  // Forge reads PKCS#1 and PKCS#8; OpenSSL writes whichever is asked for.
  const key = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const cert = forge.pki.createCertificate();
  cert.publicKey = forge.pki.publicKeyFromPem(pair.publicKey.export({ type: "spki", format: "pem" }).toString());
  cert.serialNumber = newSerialNumber();
  // A day back, for clients whose clocks are late.
  cert.validity.notBefore = new Date(now.getTime() - day);
  cert.validity.notAfter = new Date(now.getTime() + days * day);
  return { key, cert };
}

/** Unlike any other, positive, and without a zero byte in front, which DER forbids: the first byte is 0x40 to 0x7f. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
