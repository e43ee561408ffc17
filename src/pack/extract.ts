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
  /** What lies elsewhere, by its path in the image. */
  readonly elsewhere?: (path: string) => void;
}

const whiteout = ".wh.";
const opaque = ".wh..wh..opq";

/** @param from the first layer that counts @throws MirrorError `refused`, `integrity`, `malformed`, `storage` */
export async function extract(
  image: Image,
  { from, signal }: { readonly from: number; readonly signal: AbortSignal },
  { file, gone, elsewhere }: Extracting,
): Promise<void> {
  const { where } = image.layout;
  for (let index = from; index < image.manifest.layers.length; index++) {
    for await (const { path, kind, bytes } of entriesIn(await openLayer(image, index), where)) {
      if (signal.aborted) throw new MirrorError("cancelled", "it was stopped; nothing of the image is taken");
      const parts = partsOf(path, where);
      const [top = "", ...rest] = parts;
      if (top !== mirrorFolder) {
        // What would take the mirror away, or stand in its place.
        if ([`${whiteout}${mirrorFolder}`, opaque].includes(top)) throw refused(where, path, "takes the mirror away");
        elsewhere?.(path);
        continue;
      }
      if (kind === "folder") continue;
      const name = rest.at(-1);
      if (kind !== "file" || name === undefined) throw refused(where, path, "is neither a file nor a folder");
      const folder = rest.slice(0, -1);
      if (name === opaque) await gone(below(folder, path, where));
      else if (name.startsWith(whiteout)) await gone(below([...folder, name.slice(whiteout.length)], path, where));
      else if (isPart(rest.join("/"))) await file(rest.join("/"), bytes);
      else throw refused(where, path, "is no part of a mirror");
    }
  }
}

/** As container engines take them: from the root, whatever stands at the beginning. @throws MirrorError `refused` */
function partsOf(path: string, where: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.includes("\0")) throw refused(where, path, "leads elsewhere");
  return parts;
}

/** @param path as it stands in the image */
function below(parts: readonly string[], path: string, where: string): string {
  if (parts.length > 0 && parts.every((part) => part !== "" && part !== "." && part !== "..")) return parts.join("/");
  throw refused(where, path, "leads elsewhere");
}

function refused(where: string, path: string, why: string): MirrorError {
  return new MirrorError("refused", `${where}: ${JSON.stringify(path)} ${why}, so nothing of the image is taken`);
}
