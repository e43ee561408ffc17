/**
 * What was read of each file of a folder, kept in the cache folder, so that a build reads only those that are new: a
 * file that has its size, times and inode is taken for the same. Losing it costs a slower build, nothing else.
 *
 * It lies in several files, as many as there are thousands of entries, and who asks for one package reads one of them:
 * `index/FOLDER/16-3.json` is the fourth of sixteen. docs/decisions/0008-index-of-tarballs.md
 */
import { createHash } from "node:crypto";
import { MirrorError } from "../errors.ts";
import { parseJson } from "../text.ts";
import type { Place } from "./place.ts";
import { stampFrom } from "./stamp.ts";

const format = 2;
// Entries; some 300 bytes each.
const roomInPart = 1024;
const maxParts = 4096;

interface Entry {
  readonly stamp: string;
  readonly value: unknown;
}

interface Part {
  readonly before: Readonly<Record<string, Entry>>;
  readonly after: Map<string, Entry>;
  isChanged: boolean;
}

export interface SaveOptions {
  /** Whether all was asked for: the rest is forgotten. */
  readonly isWhole?: boolean;
  /** Whether that file is there still; of what was not asked for it is asked where something is written anyway. */
  readonly isThere?: (name: string) => boolean;
}

export interface IndexOptions<T> {
  /** What is indexed; each has an index of its own. */
  readonly folder: string;
  /** undefined for what an older version wrote and is of no use now. */
  readonly parse: (value: unknown) => T | undefined;
  /** What lies together with others, by its name; absent: nothing does. */
  readonly groupOf?: (name: string) => string;
}

export class FileIndex<T> {
  private readonly dir: Place;
  private readonly parse: IndexOptions<T>["parse"];
  private readonly groupOf: (name: string) => string;
  private count: number;
  private parts: (Part | undefined)[] = [];

  private constructor(dir: Place, count: number, { parse, groupOf }: IndexOptions<T>) {
    this.dir = dir;
    this.count = count;
    this.parse = parse;
    this.groupOf = groupOf ?? ((name) => name);
  }

  static async open<T>(cache: Place, options: IndexOptions<T>): Promise<FileIndex<T>> {
    const name = createHash("sha256").update(options.folder).digest("hex").slice(0, 32);
    const dir = cache.at(`index/${name}`);
    const counts = (await dir.list("file").catch(() => [])).map(countOf);
    return new FileIndex(dir, Math.max(1, ...counts), options);
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
    const part = this.partOf(name);
    const entry = part.after.get(name) ?? ownEntry(part.before, name);
    if (entry?.stamp !== stamp) return undefined;
    const value = this.parse(entry.value);
    if (value !== undefined) part.after.set(name, entry);
    return value;
  }

  /** What is known of a file that was written just now. */
  put(name: string, place: Place, value: T): void {
    this.set(name, requireStamp(place), value);
  }

  set(name: string, stamp: string, value: T): void {
    const part = this.partOf(name);
    part.after.set(name, { stamp, value });
    part.isChanged = true;
  }

  /** Keeps what was learned since the last time. A cache folder that cannot be written costs speed, nothing else. */
  async save(options: SaveOptions = {}): Promise<void> {
    await this.write(options).catch(() => undefined);
  }

  private async write({ isWhole = false, isThere }: SaveOptions): Promise<void> {
    const old = this.count;
    const changed = new Map<number, Map<string, Entry>>();
    let largest = 0;
    for (let index = 0; index < old; index += 1) {
      const part = this.parts[index] ?? (isWhole ? this.read(index) : undefined);
      if (part === undefined) continue;
      const entries = new Map(isWhole ? part.after : [...Object.entries(part.before), ...part.after]);
      const hasLess = isWhole && entries.size !== Object.keys(part.before).length;
      largest = Math.max(largest, entries.size);
      this.parts[index] = { before: Object.fromEntries(entries), after: new Map(), isChanged: false };
      if (!part.isChanged && !hasLess) continue;
      for (const name of entries.keys()) if (!part.after.has(name) && isThere?.(name) === false) entries.delete(name);
      changed.set(index, entries);
    }
    if (largest > 2 * roomInPart && old < maxParts) await this.spread(largest);
    else for (const [index, entries] of changed) await this.writePart(index, entries);
  }

  /** Into more files. */
  private async spread(largest: number): Promise<void> {
    const all = Array.from({ length: this.count }, (_, index) => this.parts[index] ?? this.read(index));
    const count = Math.min(maxParts, this.count * 2 ** Math.ceil(Math.log2(largest / roomInPart)));
    const parts = Array.from({ length: count }, () => new Map<string, Entry>());
    for (const { before } of all) {
      for (const [name, entry] of Object.entries(before)) parts[numberOf(this.groupOf(name), count)]?.set(name, entry);
    }
    const old = await this.dir.list("file");
    this.count = count;
    this.parts = parts.map((part) => ({ before: Object.fromEntries(part), after: new Map(), isChanged: false }));
    for (const [index, entries] of parts.entries()) await this.writePart(index, entries);
    for (const name of old) if (countOf(name) !== count) await this.dir.at(name).remove();
  }

  private async writePart(index: number, entries: ReadonlyMap<string, Entry>): Promise<void> {
    const file = this.dir.at(`${this.count}-${index}.json`);
    const staged = await file.stage(JSON.stringify({ format, files: Object.fromEntries(entries) }));
    try {
      await staged.moveTo(file);
    } finally {
      await staged.remove();
    }
  }

  private partOf(name: string): Part {
    const index = numberOf(this.groupOf(name), this.count);
    return (this.parts[index] ??= this.read(index));
  }

  private read(index: number): Part {
    return { before: readPart(this.dir.at(`${this.count}-${index}.json`)), after: new Map(), isChanged: false };
  }
}

/** At once: there is nothing else to be done meanwhile, and most who ask have their answer in memory. */
function readPart(file: Place): Record<string, Entry> {
  try {
    if (file.look()?.isFile() !== true) return {};
    const content = parseJson(file.readNow().toString("utf8")) as { format?: unknown; files?: Record<string, Entry> };
    return content.format === format ? (content.files ?? {}) : {};
  } catch {
    return {};
  }
}

function ownEntry(entries: Readonly<Record<string, Entry>>, name: string): Entry | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}

/** Of how many files one is a part: `16-3.json` → 16; 1 for what is none. */
function countOf(name: string): number {
  return Number(/^(\d{1,6})-\d+\.json$/.exec(name)?.[1] ?? 1);
}

/** FNV-1a */
function numberOf(group: string, count: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < group.length; index += 1) {
    hash = Math.imul(hash ^ group.charCodeAt(index), 0x01000193);
  }
  return ((hash ^ (hash >>> 15)) >>> 0) % count;
}

/** @throws MirrorError `storage` */
function requireStamp(place: Place): string {
  const found = place.look();
  if (found === undefined) throw new MirrorError("storage", `${place.path} is not there`);
  return stampFrom(found);
}
