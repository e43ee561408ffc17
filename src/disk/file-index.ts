/**
 * What was read of each file of a folder, kept in the cache folder, so that a build reads only those that are new: a
 * file that has its size, times and inode is taken for the same. Losing it costs a slower build, nothing else.
 */
import { createHash } from "node:crypto";
import { MirrorError } from "../errors.ts";
import type { Place } from "./place.ts";
import { stampFrom } from "./stamp.ts";

const format = 1;

export interface IndexedFile<T> {
  readonly stamp: string;
  readonly value: T;
}

export class FileIndex<T> {
  private readonly file: Place;
  private before: Readonly<Record<string, IndexedFile<T>>>;
  private after: Record<string, IndexedFile<T>> = {};
  private isChanged = false;

  private constructor(file: Place, before: Readonly<Record<string, IndexedFile<T>>>) {
    this.file = file;
    this.before = before;
  }

  /**
   * @param folder what is indexed; each has an index of its own
   * @param parse undefined for what an older version wrote and is of no use now
   */
  static async open<T>(cache: Place, folder: string, parse: (value: unknown) => T | undefined): Promise<FileIndex<T>> {
    const name = createHash("sha256").update(folder).digest("hex").slice(0, 32);
    const file = cache.at(`index/${name}.json`);
    return new FileIndex(file, await readIndex(file, parse));
  }

  /** What `read` makes of the file, or made of it before. @throws what `read` throws; that is not kept */
  async get(name: string, place: Place, read: (place: Place) => Promise<T> | T): Promise<T> {
    const stamp = requireStamp(place);
    const known = this.known(name, stamp);
    if (known !== undefined) return known;
    const value = await read(place);
    this.set(name, stamp, value);
    return value;
  }

  /** What was made of something when its stamp was the same; for what is made of several files. */
  known(name: string, stamp: string): T | undefined {
    const known = this.after[name] ?? this.before[name];
    if (known?.stamp !== stamp) return undefined;
    this.after[name] = known;
    return known.value;
  }

  /** What is known of a file that was written just now. */
  put(name: string, place: Place, value: T): void {
    this.set(name, requireStamp(place), value);
  }

  private async writeUnsynced(text: string): Promise<void> {
    const staged = await this.file.stage(text);
    try {
      await staged.moveTo(this.file);
    } finally {
      await staged.remove();
    }
  }

  set(name: string, stamp: string, value: T): void {
    this.after[name] = { stamp, value };
    this.isChanged = true;
  }

  /** Keeps what was asked for since the last time. @param isWhole whether all was asked for, and the rest is forgotten */
  async save({ isWhole }: { readonly isWhole: boolean }): Promise<void> {
    const hasLess = isWhole && Object.keys(this.before).length !== Object.keys(this.after).length;
    const files = isWhole ? this.after : { ...this.before, ...this.after };
    const isSame = !this.isChanged && !hasLess;
    this.before = files;
    this.after = {};
    this.isChanged = false;
    if (isSame) return;
    // A cache folder that cannot be written costs speed, nothing else.
    await this.writeUnsynced(JSON.stringify({ format, files })).catch(() => undefined);
  }
}

/** @throws MirrorError `storage` */
function requireStamp(place: Place): string {
  const found = place.look();
  if (found === undefined) throw new MirrorError("storage", `${place.path} is not there`);
  return stampFrom(found);
}

async function readIndex<T>(
  file: Place,
  parse: (value: unknown) => T | undefined,
): Promise<Record<string, IndexedFile<T>>> {
  try {
    const text = (await file.read())?.toString("utf8") ?? "";
    const content = JSON.parse(text) as { format: unknown; files: Record<string, unknown> };
    if (content.format !== format) return {};
    const entries = Object.entries(content.files).flatMap(([name, entry]) => {
      const { stamp, value } = entry as { stamp?: unknown; value?: unknown };
      const parsed = parse(value);
      return typeof stamp === "string" && parsed !== undefined ? [[name, { stamp, value: parsed }] as const] : [];
    });
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}
