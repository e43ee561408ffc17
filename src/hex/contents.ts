/** What lies in a package's tarball: the sources that a client unpacks. */
import { gunzipSync } from "node:zlib";
import { MirrorError } from "../errors.ts";
import { readTar } from "./tar.ts";

// Unpacked, bytes: hex.pm takes 64 MiB. What is more was made to fill a memory.
const maxContents = 256 * 1024 * 1024;
const maxFiles = 50_000;

/**
 * @param tarball the outer one
 * @param isWanted by path, such as `lib/explorer.ex`
 * @throws MirrorError `malformed`
 */
export function readContents(tarball: Buffer, isWanted: (path: string) => boolean): Map<string, string> {
  const packed = readTar(tarball, { entries: 16 }).get("contents.tar.gz") ?? Buffer.alloc(0);
  let unpacked: Buffer;
  try {
    unpacked = gunzipSync(packed, { maxOutputLength: maxContents });
  } catch (cause) {
    throw new MirrorError("malformed", "not a Hex tarball: contents.tar.gz cannot be unpacked", { cause });
  }
  const files = readTar(unpacked, { entries: maxFiles, isTree: true });
  return new Map([...files].filter(([path]) => isWanted(path)).map(([path, bytes]) => [path, bytes.toString("utf8")]));
}
