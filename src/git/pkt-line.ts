/** The frames of git's protocol: four hex digits of length, themselves counted, then the content. gitprotocol-common(5) */

export const flushPacket = "0000";

export function packet(content: string): string {
  const length = Buffer.byteLength(content) + 4;
  return length.toString(16).padStart(4, "0") + content;
}

/** What stands between packets: `0000` to `0002`, told from any content by the NUL in front. */
export const delimiterPacket = "\u00000001";

/**
 * Packets as Latin-1 text without the line feed at their end; `0000` to `0002` behind a NUL.
 * @returns undefined for what is not made of packets
 */
export function readPackets(body: Buffer): string[] | undefined {
  const packets: string[] = [];
  let at = 0;
  while (at < body.length) {
    const digits = body.toString("latin1", at, at + 4);
    if (!/^[0-9a-f]{4}$/i.test(digits)) return undefined;
    const length = Number.parseInt(digits, 16);
    if (length < 4) {
      // Marked, so that no content can pass for it.
      packets.push(`\0${digits}`);
      at += 4;
      continue;
    }
    if (at + length > body.length) return undefined;
    packets.push(body.toString("latin1", at + 4, at + length).replace(/\n$/, ""));
    at += length;
  }
  return packets;
}
