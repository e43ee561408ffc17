/** The tarballs of a registry, read: what a record of each needs. Those that were read before are not read again. */
import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { describeError } from "../errors.ts";
import { readTarball } from "../hex/tarball.ts";
import type { HeldRelease } from "../registry/registry.ts";
import { FileIndex } from "../store/file-index.ts";
import { listTarballs } from "../store/inventory.ts";
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
// Some tens of milliseconds of work.
const yieldAfter = 32;

type Indexed = z.infer<typeof schema>;

/** One after another: they are read whole, and a mirror may hold thousands. */
export async function readHeldReleases(
  registry: RegistryPaths,
  cacheDir: string,
  without: ReadonlySet<string>,
): Promise<HeldReleases> {
  const index = await FileIndex.open(cacheDir, registry.tarballsDir, (value) => schema.safeParse(value).data);
  const releases: HeldRelease[] = [];
  const corrupt: { file: string; reason: string }[] = [];
  const tarballs = (await listTarballs(registry)).filter(({ path }) => !without.has(path));
  for (const [count, { path, name, version }] of tarballs.entries()) {
    const file = `${name}-${version}.tar`;
    // The lock's heartbeat, and whoever wants to stop us, get their turn.
    if (count % yieldAfter === 0) await setImmediate();
    try {
      const { metadata, inner, outer } = await index.get(file, path, readIndexed);
      if (metadata.name === name && metadata.version === version) {
        const requirements = metadata.requirements.map((each) => ({ ...each, repository: each.repository }));
        releases.push({
          metadata: { ...metadata, requirements },
          innerChecksum: Buffer.from(inner, "hex"),
          outerChecksum: Buffer.from(outer, "hex"),
        });
      } else {
        corrupt.push({ file, reason: `it holds ${metadata.name} ${metadata.version}` });
      }
    } catch (error) {
      corrupt.push({ file, reason: describeError(error) });
    }
  }
  await index.save();
  return { releases, corrupt };
}

/** Not by promise: opening, reading and closing thousands of files takes three times as long by it. */
function readIndexed(path: string): Indexed {
  const { metadata, innerChecksum, outerChecksum } = readTarball(readFileSync(path));
  const { name, version, app, requirements } = metadata;
  return {
    metadata: { name, version, app, requirements: [...requirements] },
    inner: innerChecksum.toString("hex"),
    outer: outerChecksum.toString("hex"),
  };
}
