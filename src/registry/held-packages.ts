/** The tarballs of a registry, read: what a record of each needs. Those that were read before are not read again. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import * as z from "zod";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { readTarball } from "../hex/tarball.ts";
import type { HeldRelease } from "./describe-package.ts";
import type { HeldFile } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

export interface HeldPackage {
  readonly name: string;
  readonly releases: readonly HeldRelease[];
  /** Tarballs that are damaged, or not what their names say. */
  readonly damaged: readonly { readonly version: string; readonly reason: string }[];
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
// Some milliseconds of work.
const yieldAfter = 8;

type Indexed = z.infer<typeof schema>;

/**
 * Package by package, in the order of their names, one tarball after another: they are read whole, and a mirror may
 * hold thousands. @param tarballs in that order
 */
export async function* readHeldPackages(
  registry: RegistryPaths,
  cache: Place,
  tarballs: readonly HeldFile[],
): AsyncGenerator<HeldPackage> {
  if (tarballs.length === 0) return;
  const { tarballsDir } = registry;
  const index = await FileIndex.open(cache, {
    folder: tarballsDir.path,
    parse: (value) => schema.safeParse(value).data,
    groupOf: (file) => file.slice(0, file.indexOf("-")),
  });
  let current: { name: string; releases: HeldRelease[]; damaged: { version: string; reason: string }[] } | undefined;
  for (const [count, { place, name, version }] of tarballs.entries()) {
    // What was begun meanwhile, the lock's heartbeat, and whoever wants to stop us, get their turn.
    if (count % yieldAfter === 0) await setImmediate();
    if (current?.name !== name) {
      if (current !== undefined) yield current;
      current = { name, releases: [], damaged: [] };
    }
    const file = `${name}-${version}.tar`;
    try {
      const indexed = await index.get(file, place, readIndexed);
      const { metadata } = indexed;
      if (metadata.name === name && metadata.version === version) current.releases.push(heldRelease(indexed));
      else current.damaged.push({ version, reason: `it holds ${metadata.name} ${metadata.version}` });
    } catch (error) {
      current.damaged.push({ version, reason: describeError(error) });
    }
  }
  if (current !== undefined) yield current;
  const look = tarballsDir.lookInside();
  await index.save({ isThere: (file) => look(file) !== undefined });
}

function heldRelease({ metadata, inner, outer }: Indexed): HeldRelease {
  const requirements = metadata.requirements.map((each) => ({ ...each, repository: each.repository }));
  return {
    metadata: { ...metadata, requirements },
    innerChecksum: Buffer.from(inner, "hex"),
    outerChecksum: Buffer.from(outer, "hex"),
  };
}

function readIndexed(place: Place): Indexed {
  const { metadata, innerChecksum, outerChecksum } = readTarball(readWhole(place.verifiedPath()));
  const { name, version, app, requirements } = metadata;
  return {
    metadata: { name, version, app, requirements: [...requirements] },
    inner: innerChecksum.toString("hex"),
    outer: outerChecksum.toString("hex"),
  };
}

let room = Buffer.allocUnsafe(1024 * 1024);

/**
 * Into the same memory each time, since fresh memory for each of thousands of tarballs costs more than reading them;
 * and not by promise, which takes three times as long. @returns a view that holds until the next call
 */
function readWhole(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    if (size > room.length) room = Buffer.allocUnsafe(size);
    return room.subarray(0, readSync(file, room, 0, size, 0));
  } finally {
    closeSync(file);
  }
}
