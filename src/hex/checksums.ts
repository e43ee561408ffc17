/** Checksums as records have them, in bytes, and as locks and people do, in lower-case hex digits. */

export function isSameChecksum(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Empty where there is none. */
export function hexDigits(checksum: Uint8Array): string {
  return Buffer.from(checksum).toString("hex");
}
