/**
 * Puts the mirror of an image in the place of a folder: laid out beside it, looked at by whoever asks for it, and then given its
 * name, so that a server has the mirror of before or this one, and never a part of one.
 *
 *   nothing there       renamed
 *   a link              replaced in one step; the mirror of before stays beside, for who still reads it, until the next
 *   a mirror            put aside, replaced, removed: for an instant there is none, and where that is the last of us, the next
 *                       one puts it back
 */
import { realpathSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { MirrorError, hasErrno } from "../errors.ts";
import { isFilled } from "../disk/look-into.ts";
import type { Place } from "../disk/place.ts";
import { lstat } from "../disk/root.ts";
import { syncBelow } from "../disk/sync.ts";
import { extract } from "./extract.ts";
import { filePlace, writeStream, type Image } from "./layout.ts";

/** @param folder takes the mirror; not there yet @throws MirrorError */
export async function layOutMirror(image: Image, folder: Place, signal: AbortSignal): Promise<void> {
  folder.makeFolder();
  await extract(
    image,
    { from: 0, signal },
    {
      file: async (path, bytes) => {
        const place = folder.at(path);
        // Of an earlier layer, or what stood in its place.
        if (place.look() !== undefined) await place.remove();
        await writeStream(place, bytes);
      },
      gone: async (path) => folder.at(path).remove(),
    },
  );
  if (!isFilled(folder)) {
    throw new MirrorError("malformed", `${image.layout.where} holds no mirror: nothing in it lies below mirror/`);
  }
}

export interface Replaced {
  /** Where the mirror lies now, where that is behind a link. */
  readonly generation: string | undefined;
}

const generation = /^(?<name>.+)\.sha256-[0-9a-f]{16}$/;

/**
 * @param dir of the mirror, absolute @param check looks at the mirror before it has its name; throws where that is not right
 * @throws MirrorError
 */
export async function replaceMirror(
  image: Image,
  dir: string,
  { check, signal }: { readonly check: (folder: string) => Promise<void>; readonly signal: AbortSignal },
): Promise<Replaced> {
  const isLink = lstat(dir)?.isSymbolicLink() === true;
  const beside = isLink ? targetOf(dir) : dir;
  const staged = filePlace(beside).temporary();
  try {
    await layOutMirror(image, staged, signal);
    await check(staged.path);
    // What is there now goes for it, and a power cut must not leave less of it.
    await syncBelow(staged);
    if (!isLink) {
      await putInPlace(staged, filePlace(dir));
      return { generation: undefined };
    }
    const stem = generation.exec(basename(beside))?.groups?.["name"] ?? basename(dir);
    const name = `${stem}.sha256-${image.digest.slice("sha256:".length, "sha256:".length + 16)}`;
    const target = filePlace(join(dirname(beside), name));
    // It is served just now, or was; a copy of it may have been damaged since.
    if (target.path === beside) await putInPlace(staged, target);
    else {
      if (target.look() !== undefined) await target.remove();
      await staged.moveTo(target);
    }
    // From where the link lies, whatever leads there.
    await filePlace(dir).replaceLink(relative(realpathSync(dirname(dir)), target.path));
    await removeEarlier(target, beside, stem);
    return { generation: target.path };
  } finally {
    await staged.remove();
  }
}

function targetOf(link: string): string {
  try {
    return realpathSync(link);
  } catch (cause) {
    throw new MirrorError("storage", `${link} is a link that leads nowhere; remove it, or give another folder`, {
      cause,
    });
  }
}

/** A volume of its own can be filled, and not be replaced; a link to one can. @throws MirrorError `config` */
export function requireMovable(dir: string): void {
  const [own, above] = [lstat(dir)?.dev, lstat(dirname(dir))?.dev];
  if (own === undefined || own === above) return;
  throw fixed(dir);
}

function fixed(dir: string, cause?: unknown): MirrorError {
  const where = join(dir, "mirror");
  return new MirrorError(
    "config",
    `${dir} is where a disk or volume is mounted, and cannot be replaced; give a folder in it: --mirror ${where}`,
    cause === undefined ? {} : { cause },
  );
}

/** Where a mirror stands aside while another takes its place. Not a temporary, which somebody would remove. */
function asideOf(place: Place): Place {
  return filePlace(join(dirname(place.path), `.${place.name}.before-unpack`));
}

/** What an unpack had put aside that was killed before the other had its place. */
export async function putBack(dir: string): Promise<void> {
  const place = filePlace(dir);
  const aside = asideOf(place);
  if (lstat(dir) === undefined && aside.look() !== undefined) await aside.moveTo(place);
}

async function putInPlace(staged: Place, place: Place): Promise<void> {
  if (place.look() === undefined) return staged.moveTo(place);
  const aside = asideOf(place);
  try {
    // Of one that was killed when its work was done.
    await aside.remove();
    await place.moveTo(aside);
  } catch (cause) {
    throw hasErrno(cause, "EBUSY") ? fixed(place.path, cause) : cause;
  }
  try {
    await staged.moveTo(place);
  } catch (error) {
    await aside.moveTo(place);
    throw error;
  }
  await aside.remove();
}

/** Those that nobody reads any more: one stays, since a client may be in the middle of it. */
async function removeEarlier(target: Place, before: string, stem: string): Promise<void> {
  const folder = target.parent;
  for (const name of (await folder?.list("folder")) ?? []) {
    const isOurs = generation.exec(name)?.groups?.["name"] === stem;
    if (isOurs && name !== target.name && name !== basename(before)) await folder?.at(name).remove();
  }
}
