/**
 * A tarball → what its package downloads while it is compiled. What cannot be read of that is no reason to fail: it may be built
 * from its sources.
 */
import type { Place } from "../disk/place.ts";
import { isOfInterest, mayDownload, packageDownloads } from "../downloads/precompiled.ts";
import { isOfTool, readToolPackage } from "../downloads/tool-package.ts";
import { describeError } from "../errors.ts";
import { readContents } from "../hex/contents.ts";
import { readTarball } from "../hex/tarball.ts";
import type { ToolName } from "../lock/entries.ts";
import type { TarballDownloads } from "./tarball-downloads.ts";

/** @throws MirrorError `malformed` for what is no tarball */
export async function readDownloads(place: Place, tool: ToolName | undefined): Promise<TarballDownloads> {
  const bytes = (await place.read()) ?? Buffer.alloc(0);
  const { metadata, innerChecksum, outerChecksum } = readTarball(bytes);
  const sums = { inner: innerChecksum.toString("hex"), outer: outerChecksum.toString("hex") };
  if (tool === undefined && !mayDownload(bytes)) return { ...sums, downloads: [], unread: [] };
  try {
    const files = readContents(bytes, (path) => isOfInterest(path) || (tool !== undefined && isOfTool(path)));
    const { name, version, about } = metadata;
    const { downloads, unread } = packageDownloads({ name, version, links: about.links, files });
    return {
      ...sums,
      downloads: [...downloads],
      unread: unread.map(({ checksums, ...each }) => ({ ...each, checksums: Object.fromEntries(checksums) })),
      ...(tool === undefined ? {} : { tool: readToolPackage(tool, files) }),
    };
  } catch (error) {
    return { ...sums, downloads: [], unread: [{ reason: describeError(error), checksums: {} }] };
  }
}
