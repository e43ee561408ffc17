/**
 * How a server proves to its own user who it is: by a secret that both read from a file of that user's. Whoever asks
 * sends 32 random bytes and gets a keyed hash over them, the address and port that were asked, the folder of the registry
 * and its fingerprint: nobody else can answer, and what another server answered for its own place does not fit here. The
 * registry's key has no part in it, so that it signs nothing that a client chose. Pure.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface Claim {
  /** 64 hex digits. */
  readonly challenge: string;
  /** Where the server was asked: `127.0.0.1:8000`, `[::1]:8000` */
  readonly place: string;
  /** The folder of its registry, a real path; empty: of whichever mirror. */
  readonly mirror: string;
  /** Of the registry's key, `SHA256:…`; empty before it is signed. */
  readonly fingerprint: string;
}

export function isChallenge(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** @param address as a socket has it, also of IPv4 within IPv6 */
export function placeOf(address: string | undefined, port: number | undefined): string {
  const plain = (address ?? "").replace(/^::ffff:(?=\d+\.)/, "");
  return `${plain.includes(":") ? `[${plain}]` : plain}:${port ?? 0}`;
}

/** @param secret 64 hex digits @returns 64 hex digits */
export function proofOf(secret: string, { challenge, place, mirror, fingerprint }: Claim): string {
  const claim = JSON.stringify(["mirror-server identity", challenge, place, mirror, fingerprint]);
  return createHmac("sha256", Buffer.from(secret, "hex")).update(claim).digest("hex");
}

export function isProof(proof: string, secret: string, claim: Claim): boolean {
  return isSame(proof, proofOf(secret, claim));
}

/** What somebody wants to know: since when, in milliseconds, and of which server. */
export interface Question {
  readonly since: string;
  readonly place: string;
}

/** The other way round: who asks proves to be the user who started the server. @returns 64 hex digits */
export function askersProofOf(secret: string, { since, place }: Question): string {
  const claim = JSON.stringify(["mirror-server lacking", since, place]);
  return createHmac("sha256", Buffer.from(secret, "hex")).update(claim).digest("hex");
}

export function isAskersProof(proof: string, secret: string, question: Question): boolean {
  return isSame(proof, askersProofOf(secret, question));
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
