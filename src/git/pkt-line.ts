/** The frames of git's protocol: four hex digits of length, themselves counted, then the content. gitprotocol-common(5) */

export const flushPacket = "0000";

export function packet(content: string): string {
  const length = Buffer.byteLength(content) + 4;
  return length.toString(16).padStart(4, "0") + content;
}
