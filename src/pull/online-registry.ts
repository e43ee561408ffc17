/**
 * Our own face while upstream answers: it lists what upstream lists, since all of that can be had, and what is this mirror's
 * own, signed by the mirror's key. What is in the mirror's folder stays the truth for when upstream does not answer; this
 * lies in a folder of the process, each signed once for as long as it says the same.
 */
import type { KeyObject } from "node:crypto";
import type { HeldRecord } from "../artifacts/refresh-record.ts";
import type { Place } from "../disk/place.ts";
import { digestOf } from "../disk/hot-files.ts";
import { stampThrough } from "../disk/stamp.ts";
import { isSignedBy, wrap } from "../hex/signed.ts";
import { readSignedRecord } from "../registry/adoption.ts";
import { describePackage } from "../registry/describe-package.ts";
import { Lists } from "../registry/lists.ts";
import type { OwnNames } from "../registry/own-names.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { readSigned } from "../store/signed-files.ts";
import type { UpstreamLists } from "./upstream-lists.ts";

export interface OnlineRegistry {
  /** @param record upstream's @returns where ours lies, which lists all that upstream's does */
  readonly package: (name: string, record: HeldRecord) => Promise<Place>;
  /** @param lists upstream's */
  readonly list: (which: "names" | "versions", lists: UpstreamLists) => Promise<Place>;
}

export interface OnlineTools {
  readonly registry: RegistryPaths;
  /** The name that the registry is signed with. */
  readonly repository: string;
  readonly key: KeyObject;
  /** A folder of this process's own. */
  readonly folder: Place;
  readonly ownNames: OwnNames;
}

export function createOnlineRegistry(tools: OnlineTools): OnlineRegistry {
  const { registry, key, folder } = tools;
  const written = new Map<string, string>();
  const writing = new Map<string, Promise<void>>();

  /** Writes what lies there as of that stamp, once. */
  const view = async (path: string, stamp: string, make: () => Promise<readonly [string, Uint8Array][]>) => {
    const place = folder.at(path);
    if (written.get(path) === stamp && place.isFile()) return place;
    await writing.get(path)?.catch(() => undefined);
    if (written.get(path) === stamp && place.isFile()) return place;
    const work = (async () => {
      for (const [resource, payload] of await make()) {
        await folder.at(resource).writeIfChanged(await wrap(payload, key));
        written.set(resource, stamp);
      }
    })().finally(() => writing.delete(path));
    writing.set(path, work);
    await work;
    return place;
  };
  return {
    package: async (name, record) => {
      const own = registry.resource(`packages/${name}`);
      const stamp = `${digestOf(record.bytes)} ${stampThrough(own.path)}`;
      return view(`packages/${name}`, stamp, async () => [
        [`packages/${name}`, await packagePayload(name, record, tools)],
      ]);
    },
    list: async (which, lists) => {
      const own = ["names", "versions"].map((name) => stampThrough(registry.resource(name).path));
      return view(which, `${lists.digest} ${own.join(" ")}`, async () =>
        Object.entries(await listPayloads(lists, tools)),
      );
    },
  };
}

async function packagePayload(
  name: string,
  { record }: HeldRecord,
  { registry, repository, key }: OnlineTools,
): Promise<Uint8Array> {
  const own = (await readSignedRecord(registry, name, [key]))?.record;
  const listed = new Set(record.releases.map(({ version }) => version));
  const adopted = own?.releases.filter(({ version }) => !listed.has(version)) ?? [];
  const input = { name, releases: [], record, kept: [...record.releases, ...adopted] };
  return describePackage(input, { repository }).payload;
}

/** Upstream's, but for the names that are this mirror's own, and what is adopted of the others. */
async function listPayloads(upstream: UpstreamLists, tools: OnlineTools): Promise<Record<string, Uint8Array>> {
  const { registry, repository, ownNames } = tools;
  const own = (await readOwnLists(tools)) ?? new Lists();
  const all = upstream.lists.copy();
  for (const name of upstream.lists.names())
    if ((await ownNames(registry, name)) !== undefined) all.set(name, undefined);
  for (const name of own.names()) all.set(name, Lists.unite(all.get(name), own.get(name)));
  const { names, versions } = all.encode(repository);
  return { names, versions };
}

async function readOwnLists({ registry, repository, key }: OnlineTools): Promise<Lists | undefined> {
  const [names, versions] = await Promise.all(["names", "versions"].map((name) => readSigned(registry.resource(name))));
  if (names === undefined || versions === undefined) return undefined;
  if (!isSignedBy(names, key) || !isSignedBy(versions, key)) return undefined;
  return Lists.decode({ names: names.payload, versions: versions.payload }, repository);
}
