/** The tarballs of a registry, read: what a record of each needs. Those that were read before are not read again. */
import { readFile } from "node:fs/promises";
import pLimit from "p-limit";
import { z } from "zod";
import { describeError } from "../errors.ts";
import { readTarball } from "../hex/tarball.ts";
import type { HeldRelease } from "../registry/registry.ts";
import { FileIndex } from "../store/file-index.ts";
import { listTarballs, type HeldFile } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

export interface HeldReleases {
  readonly releases: readonly HeldRelease[];
  readonly corrupt: readonly { readonly file: string; readonly reason: string }[];
}

const schema = z.object({
  metadata: z.object({
    name: z.string(),
    version: z.string(),
    app: z.string(),
    requirements: z.array(
      z.object({
        package: z.string(),
        app: z.string(),
        requirement: z.string(),
        optional: z.boolean(),
        repository: z.string().optional(),
      }),
    ),
  }),
  /** Hex digits. */
  inner: z.string(),
  outer: z.string(),
});
type Indexed = z.infer<typeof schema>;

/** A few at a time: they are read whole, and a mirror may hold thousands. */
export async function readHeldReleases(registry: RegistryPaths, cacheDir: string): Promise<HeldReleases> {
  const index = await FileIndex.open(cacheDir, registry.tarballsDir, (value) => schema.safeParse(value).data);
  const limit = pLimit(8);
  const releases: HeldRelease[] = [];
  const corrupt: { file: string; reason: string }[] = [];
  const read = async ({ path, name, version }: HeldFile) => {
    const file = `${name}-${version}.tar`;
    try {
      const { metadata, inner, outer } = await index.get(file, path, readIndexed);
      if (metadata.name === name && metadata.version === version) {
        releases.push({
          metadata: {
            ...metadata,
            requirements: metadata.requirements.map((r) => ({ ...r, repository: r.repository })),
          },
          innerChecksum: Buffer.from(inner, "hex"),
          outerChecksum: Buffer.from(outer, "hex"),
        });
      } else {
        corrupt.push({ file, reason: `it holds ${metadata.name} ${metadata.version}` });
      }
    } catch (error) {
      corrupt.push({ file, reason: describeError(error) });
    }
  };
  await Promise.all((await listTarballs(registry)).map((tarball) => limit(() => read(tarball))));
  await index.save();
  return { releases, corrupt };
}

async function readIndexed(path: string): Promise<Indexed> {
  const { metadata, innerChecksum, outerChecksum } = readTarball(await readFile(path));
  const { name, version, app, requirements } = metadata;
  return {
    metadata: { name, version, app, requirements: [...requirements] },
    inner: innerChecksum.toString("hex"),
    outer: outerChecksum.toString("hex"),
  };
}
