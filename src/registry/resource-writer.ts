/** Signs and writes the resources of a registry, those whose content changes and no others. */
import { createHash, type KeyObject } from "node:crypto";
import pLimit from "p-limit";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { publicKeyPem } from "../hex/keys.ts";
import { isSignedBy, wrap } from "../hex/signed.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { readSigned } from "../store/signed-files.ts";

// Small files: what they cost is waiting for the disk.
const atOnce = 32;

export interface ResourceWriter {
  /** Begins to sign and write it, where it says something new; resolves when there is room for the next. */
  readonly write: (resource: string, payload: Uint8Array) => Promise<void>;
  /** When all that was begun lies on the disk. @throws the first error, when nothing is under way any more */
  readonly settled: () => Promise<void>;
  /** @returns what was written, or would be without a key, and all that there is */
  readonly finish: () => Promise<{ readonly written: string[]; readonly known: ReadonlySet<string> }>;
}

export interface WriterOptions {
  readonly cache: Place;
  /** undefined: write nothing. */
  readonly key: KeyObject | undefined;
}

export async function openResourceWriter(paths: RegistryPaths, { cache, key }: WriterOptions): Promise<ResourceWriter> {
  // By resource, what lies there and is signed as it should be: reading and verifying it again costs more than all else.
  const signer = key === undefined ? "" : digest(publicKeyPem(key));
  const parse = (value: unknown) => (typeof value === "string" ? value : undefined);
  const index = await FileIndex.open(cache, { folder: `${paths.dir.path}\0signed`, parse });
  const limit = pLimit(atOnce);
  const written = new Set<string>();
  const known = new Set<string>();
  let begun: Promise<void>[] = [];
  const write = async (resource: string, payload: Uint8Array): Promise<void> => {
    const file = paths.resource(resource);
    const content = `${signer} ${digest(payload)}`;
    const present = await index.get(resource, file, (place) => contentOf(place, key, signer)).catch(() => undefined);
    if (present === content) return;
    if (key === undefined) {
      if (!(await isSame(file, payload))) written.add(resource);
      return;
    }
    await file.write(await wrap(payload, key));
    index.put(resource, file, content);
    written.add(resource);
  };
  const settled = async () => {
    const results = await Promise.allSettled(begun);
    begun = [];
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  return {
    write: async (resource, payload) => {
      known.add(resource);
      const done = limit(async () => write(resource, payload));
      // It is waited for later; until then nobody else hears of a failure.
      done.catch(() => undefined);
      begun.push(done);
      if (limit.pendingCount > atOnce) await done.catch(() => undefined);
    },
    settled,
    finish: async () => {
      await settled();
      const look = paths.dir.lookInside();
      if (key !== undefined) await index.save({ isThere: (resource) => look(resource) !== undefined });
      return { written: [...written], known };
    },
  };
}

/** Digests of the signer's key and of the payload; empty for a file that is damaged or that another key signed. */
async function contentOf(file: Place, key: KeyObject | undefined, signer: string): Promise<string> {
  const resource = await readSigned(file);
  if (resource === undefined || key === undefined || !isSignedBy(resource, key)) return "";
  return `${signer} ${digest(resource.payload)}`;
}

/** Whoever signed it: a dry run has no key. */
async function isSame(file: Place, payload: Uint8Array): Promise<boolean> {
  const resource = await readSigned(file);
  return resource !== undefined && Buffer.compare(resource.payload, payload) === 0;
}

function digest(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("base64");
}
