/**
 * What the layers of an image come to, file by file: later ones go over earlier ones, and a name with `.wh.` takes away what they
 * had. What lies elsewhere than in the mirror is of what the image runs on; what lies there and is no part of a mirror, or no
 * plain file or folder, is refused by its name.
 */
import { MirrorError } from "../errors.ts";
import { openLayer, type Image } from "./layout.ts";
import { isPart, mirrorFolder } from "./parts.ts";
import { entriesIn } from "./tar.ts";

export interface Extracting {
  /** Below the mirror. To be read, or passed over, before it is done. */
  readonly file: (path: string, bytes: AsyncIterable<Uint8Array>) => Promise<void>;
  /** A file, or a folder with all that is in it. */
  readonly gone: (path: string) => Promise<void>;
}

const whiteout = ".wh.";
const opaque = ".wh..wh..opq";

/** @param from the first layer that counts @throws MirrorError `refused`, `integrity`, `malformed` */
export async function extract(image: Image, from: number, { file, gone }: Extracting): Promise<void> {
  const { where } = image.layout;
  for (let index = from; index < image.manifest.layers.length; index++) {
    for await (const { path, kind, bytes } of entriesIn(await openLayer(image, index), where)) {
      const below = belowMirror(path);
      if (below === undefined || (kind === "folder" && isFolderPath(below))) continue;
      const name = below.slice(below.lastIndexOf("/") + 1);
      const folder = below.slice(0, Math.max(0, below.length - name.length - 1));
      if (kind !== "file") throw refused(where, path, "is neither a file nor a folder");
      if (name === opaque) await gone(requireBelow(folder, path, where));
      else if (name.startsWith(whiteout)) {
        const target = [folder, name.slice(whiteout.length)].filter((part) => part !== "").join("/");
        await gone(requireBelow(target, path, where));
      } else if (isPart(below)) await file(below, bytes);
      else throw refused(where, path, "is no part of a mirror");
    }
  }
}

/** undefined for what lies elsewhere. */
function belowMirror(path: string): string | undefined {
  const start = `${mirrorFolder}/`;
  return path.startsWith(start) ? path.slice(start.length) : undefined;
}

function isFolderPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
}

/** @param path as it stands in the image */
function requireBelow(target: string, path: string, where: string): string {
  if (isFolderPath(target)) return target;
  throw refused(where, path, "leads elsewhere");
}

function refused(where: string, path: string, why: string): MirrorError {
  return new MirrorError("refused", `${where}: ${JSON.stringify(path)} ${why}, so nothing of the image is taken`);
}
