/**
 * Which hosts an authority may speak for: its name constraints (RFC 5280, 4.2.1.10), written and read. Read at each start,
 * so only the parts of node-forge that know DER are loaded for it.
 */
import { X509Certificate } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import asn1, { type Asn1 } from "node-forge/lib/asn1.js";
import util from "node-forge/lib/util.js";

export const nameConstraintsId = "2.5.29.30";

/** NameConstraints ::= SEQUENCE { permittedSubtrees [0] SEQUENCE OF SEQUENCE { base GeneralName } } */
export function nameConstraints(hosts: readonly string[]): string {
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
  const constraints = constraintsOf(authority);
  if (constraints?.isCritical !== true) return false;
  const permitted = children(constraints.value).find(({ type }) => type === asn1.Type.NONE);
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

/** Whether the authority's own constraints let it speak for a host: what a later version allows widens no old CA. */
export function mayVouchFor(authority: string): (host: string) => boolean {
  const constraints = constraintsOf(authority);
  if (constraints === undefined) return () => true;
  const [permitted] = children(constraints.value);
  const bases = children(permitted).map((subtree) => children(subtree)[0]);
  return (host) =>
    bases.some((base) => {
      const value = typeof base?.value === "string" ? base.value : "";
      if (isIP(host) !== 0) return Number(base?.type) === 7 && isInRange(ipBytes(host), value);
      return Number(base?.type) === 2 && (host === value || host.endsWith(`.${value}`));
    });
}

interface Constraints {
  readonly isCritical: boolean;
  readonly value: Asn1;
}

/**
 * Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { …, extensions [3] { SEQUENCE OF Extension } }, … }
 * Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
 */
function constraintsOf(certificate: string): Constraints | undefined {
  const [toBeSigned] = children(readDer(new X509Certificate(certificate).raw.toString("latin1")));
  const explicit = children(toBeSigned).find((part) => isExtensions(part));
  for (const extension of children(children(explicit)[0])) {
    const [id, ...rest] = children(extension);
    if (typeof id?.value !== "string" || asn1.derToOid(id.value) !== nameConstraintsId) continue;
    const content = rest.at(-1)?.value;
    const isCritical = rest.length > 1 && rest[0]?.value !== "\0";
    return { isCritical, value: readDer(typeof content === "string" ? content : "") };
  }
  return undefined;
}

function isExtensions({ tagClass, type }: Asn1): boolean {
  const tag: number = type;
  return tagClass === asn1.Class.CONTEXT_SPECIFIC && tag === 3;
}

/** An octet string stays one, whatever it holds. @param bytes as forge's binary strings */
function readDer(bytes: string): Asn1 {
  return asn1.fromDer(bytes, { strict: true, parseAllBytes: true, decodeBitStrings: false });
}

function children(node: Asn1 | undefined): Asn1[] {
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
  return util.bytesFromIP(address) ?? "";
}
