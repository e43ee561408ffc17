/**
 * Two requests that git answers alike have the same key: who asks (`agent`, `session-id`) does not matter. Pure.
 * https://git-scm.com/docs/protocol-v2 and https://git-scm.com/docs/protocol-capabilities
 */
import { createHash } from "node:crypto";
import { delimiterPacket, readPackets } from "./pkt-line.ts";

export interface RequestKey {
  /** SHA-256, hex. */
  readonly key: string;
  /** Whether it only asks for refs: a small answer that is asked for often. */
  readonly isRefs: boolean;
}

/** @param body the whole request, decoded @returns undefined when it is not made of packet lines */
export function requestKey(protocol: string | undefined, body: Buffer): RequestKey | undefined {
  const packets = readPackets(body);
  if (packets === undefined) return undefined;
  const hash = createHash("sha256").update(protocol ?? "");
  // In version 2, who asks stands among the capabilities, in front of the first delimiter.
  const end = packets.indexOf(delimiterPacket);
  for (const [index, packet] of packets.entries()) {
    if ((end === -1 || index < end) && /^(?:agent|session-id)=/.test(packet)) continue;
    const anonymous = packet.startsWith("want ") ? packet.replace(/ (?:agent|session-id)=\S*/g, "") : packet;
    hash.update(`\n${anonymous.length}:`).update(anonymous, "latin1");
  }
  return { key: hash.digest("hex"), isRefs: packets[0] === "command=ls-refs" };
}
