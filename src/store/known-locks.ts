/**
 * `locks/NAME.json`: what each lock that was synced names, so that later runs know what must stay (pins of commits,
 * `verify` without arguments) although the lock itself may be on another machine by then.
 */
import { basename, join } from "node:path";
import { z } from "zod";
import { MirrorError } from "../errors.ts";
import type { GitEntry, HexEntry, Lock } from "../lock/entries.ts";
import { listFolder, readIfPresent, writeIfChanged } from "./atomic.ts";
import type { StorePaths } from "./paths.ts";

const hexSchema = z.object({
  app: z.string(),
  name: z.string(),
  version: z.string(),
  repository: z.string(),
  innerChecksum: z.string().optional(),
  outerChecksum: z.string().optional(),
});
const gitSchema = z.object({
  app: z.string(),
  url: z.string(),
  revision: z.string(),
  options: z.object({
    ref: z.string().optional(),
    tag: z.string().optional(),
    branch: z.string().optional(),
    sparse: z.string().optional(),
    subdir: z.string().optional(),
    depth: z.number().optional(),
    submodules: z.boolean().optional(),
  }),
});
const schema = z.object({
  hex: z.array(hexSchema),
  git: z.array(gitSchema),
  /** What the git entries have as submodules, at the commits that they name. */
  submodules: z.array(gitSchema),
});

/** @param redact takes credentials out of a URL: they must not be written into the mirror */
export async function writeKnownLock(
  paths: StorePaths,
  lock: Lock,
  submodules: readonly GitEntry[],
  redact: (url: string) => string,
): Promise<void> {
  const written = (entry: GitEntry) => gitSchema.parse({ ...entry, url: redact(entry.url) });
  const hex = lock.entries.filter((entry) => entry.kind === "hex").map((entry) => hexSchema.parse(entry));
  const git = lock.entries.filter((entry) => entry.kind === "git").map(written);
  const content = { hex, git, submodules: submodules.map(written) };
  await writeIfChanged(paths.knownLock(lock.name), `${JSON.stringify(content, null, 1)}\n`);
}

export async function readKnownLocks(paths: StorePaths): Promise<Lock[]> {
  const files = (await listFolder(paths.knownLocksDir)).filter((file) => file.endsWith(".json"));
  return Promise.all(files.map((file) => readKnownLock(join(paths.knownLocksDir, file))));
}

async function readKnownLock(path: string): Promise<Lock> {
  const text = (await readIfPresent(path))?.toString("utf8") ?? "";
  try {
    const { hex, git, submodules } = schema.parse(JSON.parse(text));
    const entries = [
      ...hex.map((entry): HexEntry => ({ ...entry, kind: "hex" })),
      ...[...git, ...submodules].map((entry): GitEntry => ({ ...entry, kind: "git" })),
    ];
    return { name: basename(path, ".json"), entries };
  } catch (cause) {
    throw new MirrorError("storage", `${path} is damaged; delete it and sync that lock again`, { cause });
  }
}
