/**
 * A mark by which `init` knows what it wrote itself: what nobody has changed since may be written anew, anything else is
 * somebody's. For files in which a line that begins with `#` is a comment. Pure.
 */
import { createHash } from "node:crypto";

const line = /^# mirror-server init ([0-9a-f]{16})\n?$/m;

export function withMark(content: string): string {
  return `${content}# mirror-server init ${digest(content)}\n`;
}

/** Ends of lines are git's to change. */
export function isUnchanged(written: string): boolean {
  const text = written.replaceAll("\r\n", "\n");
  const found = line.exec(text);
  return found !== null && digest(text.replace(line, "")) === found[1];
}

function digest(content: string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 16);
}
