/**
 * The local authority and the server certificate that it signs, made with node-forge. The authority may only ever
 * speak for the hosts that it is constrained to (RFC 5280, 4.2.1.10, critical), so that trusting it for a mirror does
 * not mean trusting it for a bank. Keys are made by Node's own OpenSSL: forge takes seconds for one.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import forge from "node-forge";

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
}

const nameConstraintsId = "2.5.29.30";
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
  // An hour back, for clients whose clocks are late.
  cert.validity.notBefore = new Date(now.getTime() - 60 * 60 * 1000);
  cert.validity.notAfter = new Date(now.getTime() + days * day);
  return { key, cert };
}

/** Unlike any other, positive, and without a zero byte in front, which DER forbids: the first byte is 0x40 to 0x7f. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

/** NameConstraints ::= SEQUENCE { permittedSubtrees [0] SEQUENCE OF SEQUENCE { base GeneralName } } */
function nameConstraints(hosts: readonly string[]): string {
  const { asn1 } = forge;
  const { CONTEXT_SPECIFIC, UNIVERSAL } = asn1.Class;
  const subtrees = hosts.map((host) => {
    const isName = isIP(host) === 0;
    const name = isName
      ? asn1.create(CONTEXT_SPECIFIC, 2, false, host)
      : asn1.create(CONTEXT_SPECIFIC, 7, false, addressRange(host));
    return asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, [name]);
  });
  const permitted = asn1.create(CONTEXT_SPECIFIC, 0, true, subtrees);
  return asn1.toDer(asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, [permitted])).getBytes();
}

/** Whether it may speak for some hosts only, and clients that do not understand that must refuse it. */
export function isConstrained(authority: string): boolean {
  const certificate = forge.pki.certificateFromPem(authority);
  const extensions = certificate.extensions as { id: string; value: string; critical: boolean }[];
  const extension = extensions.find(({ id }) => id === nameConstraintsId);
  if (extension?.critical !== true) return false;
  const permitted = children(forge.asn1.fromDer(extension.value)).find(({ type }) => type === forge.asn1.Type.NONE);
  const bases = children(permitted).map((subtree) => children(subtree)[0]);
  const ofType = (type: number) =>
    bases
      .filter((base) => Number(base?.type) === type)
      .map((base) => (typeof base?.value === "string" ? base.value : ""));
  // An empty name stands for all of them, and a mask of few bits for about as many.
  const names = ofType(2);
  const ranges = ofType(7);
  const isAny = (range: string) => !range.slice(range.length / 2).startsWith("\xff");
  return names.length > 0 && !names.includes("") && ranges.length > 0 && !ranges.some(isAny);
}

/** Whether the authority's own constraints let it speak for `host`: what a later version allows widens no old CA. */
export function mayVouchFor(authority: string, host: string): boolean {
  const extensions = forge.pki.certificateFromPem(authority).extensions as { id: string; value: string }[];
  const extension = extensions.find(({ id }) => id === nameConstraintsId);
  if (extension === undefined) return true;
  const [permitted] = children(forge.asn1.fromDer(extension.value));
  return children(permitted).some((subtree) => {
    const [base] = children(subtree);
    const value = typeof base?.value === "string" ? base.value : "";
    if (isIP(host) !== 0) return Number(base?.type) === 7 && isInRange(ipBytes(host), value);
    return Number(base?.type) === 2 && (host === value || host.endsWith(`.${value}`));
  });
}

function children(node: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

function isInRange(address: string, range: string): boolean {
  if (range.length !== address.length * 2) return false;
  const [bytes, limits] = [Buffer.from(address, "latin1"), Buffer.from(range, "latin1")];
  return bytes.every((byte, at) => ((byte ^ (limits[at] ?? 0)) & (limits[bytes.length + at] ?? 0)) === 0);
}

/** Address and mask, as one string of bytes; all of 127.0.0.0/8 for a loopback address, else the one address. */
function addressRange(address: string): string {
  const bytes = ipBytes(address);
  if (isIPv4(address) && bytes.charCodeAt(0) === 127) return "\x7f\0\0\0\xff\0\0\0";
  return bytes + "\xff".repeat(bytes.length);
}

/** 4 or 16 bytes, as forge's binary strings. */
function ipBytes(address: string): string {
  // Forge has this function, its types do not.
  const { bytesFromIP } = forge.util as unknown as { bytesFromIP: (ip: string) => string | null };
  return bytesFromIP(address) ?? "";
}
