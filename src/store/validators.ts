/** The ETags and dates that upstream's records came with, so that asking again costs one short answer. */
import * as z from "zod";
import { compareNames } from "../hex/names.ts";
import { listDocs, listTarballs } from "./inventory.ts";
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

export type Validators = Map<string, z.infer<typeof schema>[string]>;

/** Of a release's documentation. */
export function docsKey({ name, version }: { readonly name: string; readonly version: string }): string {
  return `docs/${name}-${version}`;
}

/** By package name, and `docs/NAME-VERSION`. A file that is missing or damaged costs full answers, nothing else. */
export async function readValidators({ validators }: RegistryPaths): Promise<Validators> {
  const text = (await validators.read())?.toString("utf8") ?? "{}";
  try {
    return new Map(Object.entries(schema.parse(JSON.parse(text))));
  } catch {
    return new Map();
  }
}

/** Written after the records: an old validator costs an answer, a too new one would hide a change. */
export async function writeValidators(paths: RegistryPaths, validators: Validators): Promise<void> {
  const sorted = [...validators].sort(([a], [b]) => compareNames(a, b));
  await paths.validators.writeIfChanged(`${JSON.stringify(Object.fromEntries(sorted), null, 1)}\n`);
}

/** Of what is gone. */
export async function forgetValidators(paths: RegistryPaths): Promise<void> {
  const records = await paths.upstreamPackagesDir.list("file");
  const docs = (await listDocs(paths)).map(docsKey);
  const releases = (await listTarballs(paths)).map(docsKey);
  const held = new Set([...records, ...docs]);
  const absent = new Set(releases);
  const validators = await readValidators(paths);
  for (const [key, validator] of validators) {
    if (!held.has(key) && !(validator.absent === true && absent.has(key))) validators.delete(key);
  }
  if (validators.size > 0 || records.length > 0) await writeValidators(paths, validators);
}
