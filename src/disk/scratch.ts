/**
 * Folders of this process outside every mirror, in the system's temporary folder, for as long as it runs. Their names
 * tell whose they are, so that what a killed process left is swept by the next.
 */
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { open, rm, type FileHandle } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { MirrorError } from "../errors.ts";
import { ownTag, stateOf } from "./owner.ts";
import { Place } from "./place.ts";

const prefix = "mirror-server-";
const week = 7 * 24 * 60 * 60 * 1000;

export interface Scratch {
  /** A real path. */
  readonly dir: string;
  /** A file below it, made again where somebody has tidied up. @returns its path @throws MirrorError `storage` */
  readonly ensure: (name: string, content: string) => string;
  /** A place below it that is not there yet. */
  readonly place: () => Place;
  /** A file without a name, which goes with its last reader, whatever becomes of this process. */
  readonly openNameless: () => Promise<FileHandle>;
  readonly remove: () => Promise<void>;
}

/** @throws MirrorError `storage` */
export async function makeScratch(): Promise<Scratch> {
  try {
    const base = realpathSync(tmpdir());
    await sweep(base);
    const dir = mkdtempSync(join(base, `${prefix}${ownTag() ?? "unknown"}_`));
    const ensure = (name: string, content: string) => {
      const path = join(dir, name);
      if (isThere(path)) return path;
      makeOwn(dir);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    const root = Place.root({ dir, noun: "a temporary folder", isOne: () => false, isTrusted: true });
    const openNameless = async () => {
      makeOwn(dir);
      const path = join(dir, `body-${randomBytes(8).toString("hex")}`);
      const file = await open(path, "wx+", 0o600);
      // Windows keeps the name until the file is closed; then it goes with the folder.
      await rm(path, { force: true }).catch(() => undefined);
      return file;
    };
    const place = () => {
      makeOwn(dir);
      return root.at(randomBytes(8).toString("hex"));
    };
    return { dir, ensure, place, openNameless, remove: () => rm(dir, { recursive: true, force: true }) };
  } catch (cause) {
    throw new MirrorError("storage", `no temporary folder can be made in ${tmpdir()}; set TMPDIR`, { cause });
  }
}

/** Again, where it is gone; never where somebody else has put something under its name meanwhile. */
function makeOwn(dir: string): void {
  const found = lstatSync(dir, { throwIfNoEntry: false });
  if (found === undefined) mkdirSync(dir, { mode: 0o700 });
  else if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid)) {
    throw new MirrorError("storage", `${dir} is somebody else's now; start mirror-server again`);
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The user's home; undefined where there is none, as for a user without a passwd entry. */
export function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Only folders of this user, whose owner is dead, or of whom nothing is known and that are a week old. */
async function sweep(base: string): Promise<void> {
  for (const name of readdirSync(base)) {
    const [, owner] = name.startsWith(prefix) ? (/^mirror-server-([0-9a-z-]+)_[A-Za-z0-9]{6}$/.exec(name) ?? []) : [];
    if (owner === undefined) continue;
    const path = join(base, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() !== true || found.uid !== (process.getuid?.() ?? found.uid)) continue;
    const state = stateOf(owner);
    const isAbandoned = state === "unknown" && Date.now() - found.mtimeMs > week;
    if (state === "dead" || isAbandoned) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
