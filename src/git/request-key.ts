/**
 * Two requests that git answers alike have the same key: who asks (`agent`, `session-id`) does not matter. Pure.
 * https://git-scm.com/docs/protocol-v2 and https://git-scm.com/docs/protocol-capabilities
 */
import { createHash } from "node:crypto";

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
  for (const packet of packets) {
    const anonymous = withoutIdentity(packet);
    if (anonymous !== undefined) hash.update(`\n${anonymous.length}:`).update(anonymous, "latin1");
  }
  return { key: hash.digest("hex"), isRefs: packets[0] === "command=ls-refs" };
}

/** Version 2 gives each capability a packet; before, they stand in one line after the first `want`. */
function withoutIdentity(packet: string): string | undefined {
  if (/^(?:agent|session-id)=/.test(packet)) return undefined;
  return packet.startsWith("want ") ? packet.replace(/ (?:agent|session-id)=\S*/g, "") : packet;
}

/** Packets as Latin-1 text without the line feed at their end; `0000` to `0002` as themselves. */
function readPackets(body: Buffer): string[] | undefined {
  const packets: string[] = [];
  let at = 0;
  while (at < body.length) {
    const digits = body.toString("latin1", at, at + 4);
    if (!/^[0-9a-f]{4}$/i.test(digits)) return undefined;
    const length = Number.parseInt(digits, 16);
    if (length < 4) {
      packets.push(digits);
      at += 4;
      continue;
    }
    if (at + length > body.length) return undefined;
    packets.push(body.toString("latin1", at + 4, at + length).replace(/\n$/, ""));
    at += length;
  }
  return packets;
}
