import { createHash } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Place } from "../../src/disk/place.ts";

/** An empty folder that goes when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "mirror-server-test-"));
  // The git of a server that was killed may write there for a moment yet.
  onTestFinished(() => rm(path, { recursive: true, force: true, maxRetries: 10 }));
  return path;
}

export const fixtures = new URL("../fixtures/", import.meta.url).pathname;

/** Every file and folder below `root` with its mtime and content, to compare before and after; `.lock` is left out. */
export async function snapshot(root: string): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    if (name === ".lock" || name.startsWith(".lock/")) continue;
    const { mtimeMs } = await stat(path);
    seen[name] = `${mtimeMs} ${
      entry.isFile()
        ? createHash("sha256")
            .update(await readFile(path))
            .digest("hex")
        : "folder"
    }`;
  }
  return seen;
}

/** A folder as a place, with no demands on it. */
export function placeAt(dir: string): Place {
  return Place.root({ dir, noun: "a folder", isOne: () => true });
}
