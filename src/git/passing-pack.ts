/**
 * The pack in an answer of `git-upload-pack`, taken out of its frames while the answer passes. gitprotocol-v2(5),
 * gitprotocol-pack(5)
 */
import type { FetchRequest } from "./fetch-request.ts";

// The longest packet that there may be.
const maxPacket = 65_520;

export class PassingPack {
  private rest: Buffer = Buffer.alloc(0);
  private state: "before" | "in pack" | "over" | "not a pack" = "before";
  private readonly framing: FetchRequest["framing"];
  private readonly onPack: (bytes: Buffer) => void;

  /** @param onPack told of each piece of the pack */
  constructor(framing: FetchRequest["framing"], onPack: (bytes: Buffer) => void) {
    this.framing = framing;
    this.onPack = onPack;
  }

  push(chunk: Buffer): void {
    let bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (!this.isDone) {
      if (this.state === "in pack" && this.framing === "none") {
        this.onPack(bytes);
        bytes = Buffer.alloc(0);
        break;
      }
      const length = lengthOf(bytes);
      if (length === undefined || bytes.length < length) break;
      if (length === bad) this.state = "not a pack";
      else this.take(length, bytes.subarray(4, Math.max(4, length)));
      bytes = bytes.subarray(Math.max(4, length));
    }
    this.rest = Buffer.from(bytes);
  }

  private get isDone(): boolean {
    return this.state === "not a pack" || this.state === "over";
  }

  /** Whether the answer had a pack, and came to its end as far as its frames tell. */
  get isWhole(): boolean {
    return this.state === "over" || (this.framing === "none" && this.state === "in pack");
  }

  private take(length: number, content: Buffer): void {
    if (this.state === "in pack") {
      // A flush ends it; of the bands, the first is the pack, the second is for people, the third tells of failure.
      if (length < 4) this.state = "over";
      else if (content[0] === 1) this.onPack(content.subarray(1));
      else if (content[0] === 3) this.state = "not a pack";
      return;
    }
    const text = content.toString("latin1", 0, 16).trimEnd();
    const begins = this.framing === "sections" ? text === "packfile" : text === "NAK";
    if (begins) this.state = "in pack";
    else if (text.startsWith("ERR ")) this.state = "not a pack";
  }
}

const bad = -1;

/** @returns `bad` for what is no packet's; undefined where there is not enough of it yet */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < 4) return undefined;
  const digits = bytes.toString("latin1", 0, 4);
  const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : bad;
  return length > maxPacket || length === 3 ? bad : length;
}
