/**
 * What a client asks `git-upload-pack` for, as far as a mirror has to know it. Pure. gitprotocol-v2(5), gitprotocol-pack(5)
 *
 *   version 2    0014command=fetch … 0001 000fno-progress … 0032want ID 0009done 0000
 *   before       00a4want ID side-band-64k ofs-delta agent=… 0032want ID 0000 0032have ID … 0009done
 */
import { readPackets } from "./pkt-line.ts";

export interface FetchRequest {
  /** Object ids, each once. */
  readonly wants: readonly string[];
  /** Whether the answer is a pack that needs nothing else: no history is left out, none is there already. */
  readonly isWhole: boolean;
  /** How a pack is framed in the answer. */
  readonly framing: "sections" | "bands" | "none";
}

/** Says that less than the history of what is wanted is asked for, or that some of it is there. */
const partial = /^(?:have|shallow|deepen|deepen-since|deepen-not|deepen-relative|filter|want-ref)(?: |$)/;
// Other frames, or packs that lie elsewhere.
const unusual = /^(?:sideband-all|packfile-uris|wait-for-done)(?: |$)/;

/** @returns undefined for what asks for no objects, or is no request of git's */
export function readFetchRequest(protocol: string | undefined, body: Buffer): FetchRequest | undefined {
  const packets = readPackets(body);
  if (packets === undefined) return undefined;
  const isSecond = protocol?.includes("version=2") === true;
  if (isSecond && packets[0] !== "command=fetch") return undefined;
  const wants = packets.map((packet) => /^want ([0-9a-f]{40,64})(?: |$)/.exec(packet)?.[1]).filter(isText);
  if (wants.length === 0) return undefined;
  const isPartial = packets.some((packet) => partial.test(packet) || unusual.test(packet));
  const framing = isSecond ? "sections" : packets.some((packet) => / side-band/.test(packet)) ? "bands" : "none";
  return { wants: [...new Set(wants)], isWhole: !isPartial && packets.includes("done"), framing };
}

function isText(text: string | undefined): text is string {
  return text !== undefined;
}
