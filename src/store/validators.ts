/**
 * The ETags and dates that upstream's answers came with, so that asking again costs one short answer; and what upstream
 * does not have. `upstream/hexpm/validators.json`
 */
import * as z from "zod";
import { compareNames } from "../names/hex-names.ts";
import { listDocs, listTarballs } from "./inventory.ts";
import { jsonText, readJson } from "./json-file.ts";
import type { RegistryPaths } from "./registry-paths.ts";

const schema = z.record(
  z.string(),
  z
    .object({
      etag: z.string().optional(),
      lastModified: z.string().optional(),
      /** Upstream has nothing of that name. */
      absent: z.literal(true).optional(),
    })
    .strict(),
);

export type Validator = z.infer<typeof schema>[string];

/** By package name, and `docs/NAME-VERSION`. */
export type Validators = Map<string, Validator>;

/** Of a release's documentation. */
export function docsKey({ name, version }: { readonly name: string; readonly version: string }): string {
  return `docs/${name}-${version}`;
}

/** A file that is missing or damaged costs full answers, nothing else. */
export async function readValidators({ validators: place }: RegistryPaths): Promise<Validators> {
  return new Map(Object.entries((await readJson({ place, schema, whenDamaged: "counts as none" })) ?? {}));
}

/**
 * Beside what others have written meanwhile, and after all that they speak of: an old validator costs an answer, a too new
 * one would hide a change. For the only writer.
 */
export async function addValidators(paths: RegistryPaths, learned: Validators): Promise<void> {
  await writeValidators(paths, new Map([...(await readValidators(paths)), ...learned]));
}

/** Of what is gone. For the only writer. */
export async function forgetValidators(paths: RegistryPaths): Promise<void> {
  const records = await paths.upstreamPackagesDir.list("file");
  const held = new Set([...records, ...(await listDocs(paths)).map(docsKey)]);
  const releases = new Set((await listTarballs(paths)).map(docsKey));
  const validators = await readValidators(paths);
  for (const [key, { absent }] of validators) {
    if (!held.has(key) && !(absent === true && releases.has(key))) validators.delete(key);
  }
  if (validators.size > 0 || records.length > 0) await writeValidators(paths, validators);
}

async function writeValidators(paths: RegistryPaths, validators: Validators): Promise<void> {
  const sorted = [...validators].sort(([a], [b]) => compareNames(a, b));
  await paths.validators.writeIfChanged(jsonText(Object.fromEntries(sorted)));
}
