/**
 * `files.json`: the SHA-256 of each file beside its URL, as the configuration gave it or as the first sync got it. What
 * upstream sends later has to fit.
 */
import * as z from "zod";
import { compareNames } from "../names/hex-names.ts";
import { isMirroredFile } from "../names/file-names.ts";
import { jsonText, readJson } from "./json-file.ts";
import type { StorePaths } from "./paths.ts";

const schema = z.record(
  z.string().refine(isMirroredFile),
  z.object({
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    bytes: z.number(),
    /** Whether a package that downloads it was why it came. */
    isOfPackage: z.literal(true).optional(),
  }),
);

/** By `HOST/PATH`. */
export type FileChecksums = Map<string, FileRecord>;
export type FileRecord = z.infer<typeof schema>[string];

/** @throws MirrorError `storage`: a record that was lost must not let another file in unnoticed */
export async function readFileChecksums({ fileChecksums: place }: StorePaths): Promise<FileChecksums> {
  const whenDamaged = { remedy: "put it back, or delete it to trust the files anew as they come" };
  return new Map(Object.entries((await readJson({ place, schema, whenDamaged })) ?? {}));
}

export async function writeFileChecksums(paths: StorePaths, checksums: FileChecksums): Promise<void> {
  if (checksums.size === 0 && paths.fileChecksums.look() === undefined) return;
  const sorted = [...checksums].sort(([a], [b]) => compareNames(a, b));
  await paths.fileChecksums.writeIfChanged(jsonText(Object.fromEntries(sorted)));
}

/** Beside what others have written meanwhile. */
export async function addFileChecksums(paths: StorePaths, learned: FileChecksums): Promise<void> {
  await writeFileChecksums(paths, new Map([...(await readFileChecksums(paths)), ...learned]));
}
