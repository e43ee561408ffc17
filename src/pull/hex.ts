/**
 * A Hex repository, as clients ask for it, from what is held and from upstream, by both faces: ours, signed by the mirror's key, and
 * upstream's, as upstream signed it.
 */
import type { KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { HexSource } from "../artifacts/hex-sources.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { publicKeyPem } from "../hex/keys.ts";
import { held, placeBelow, type Located, type Source } from "../serve/source.ts";
import { parseTarballName } from "../store/registry-paths.ts";
import type { ListName } from "../upstream/hex.ts";
import { lookedUpBy, type Current } from "./current.ts";
import { createOnlineRegistry } from "./online-registry.ts";
import type { OtherMirror } from "./other-mirror.ts";
import { createRecords } from "./records.ts";
import { createReleases, type ReleasesTools } from "./releases.ts";
import { createUpstreamLists } from "./upstream-lists.ts";

export interface HexPullTools extends Omit<ReleasesTools, "records"> {
  /** Seconds. */
  readonly maxAge: number;
  /** Where else packages may be that hex.pm does not have; undefined: nowhere. */
  readonly other: OtherMirror | undefined;
  /** The registry's key, and the name that it signs with; undefined: our own face is what is held. */
  readonly signer: { readonly key: KeyObject; readonly repository: string } | undefined;
  /** A folder of this process's own. */
  readonly scratch: Place;
  /** What is upstream's and no part of the mirror, in the cache folder. */
  readonly kept: Place;
}

export interface HexPull extends Pick<Source, "registry" | "upstream"> {
  /** When all that has come has its place. */
  readonly settled: () => Promise<void>;
}

// Milliseconds that an answer waits for what has just come to be signed.
const publishWithin = 1000;

/** @returns what is asked for at the root of a registry; undefined for what there is not */
export function createHexPull(source: HexSource, tools: HexPullTools): HexPull {
  const { paths: registry, upstream } = source;
  const { bringer, ownNames, signer, maxAge, kept, other } = tools;
  const host = new URL(upstream.url).host;
  const records = createRecords(source, tools);
  const lists = createUpstreamLists(upstream, { ...tools, folder: kept });
  const releases = createReleases(source, { ...tools, records });
  const online =
    signer === undefined ? undefined : createOnlineRegistry({ registry, ...signer, folder: tools.scratch, ownNames });

  const located = (
    content: Located["content"],
    { mark, since }: Pick<Current<unknown>, "mark" | "since">,
  ): Located => ({
    mark,
    content,
    since,
    until: lookedUpBy({ since }, maxAge),
  });
  const settled = async () => void (await Promise.all([records.settled(), releases.settled()]));
  /** All that has come is part of the registry. */
  const publish = async (): Promise<void> => {
    const signed = settled().then(bringer.publish);
    // Another process may hold the writers' lock for long: then what is there has to do.
    await Promise.race([signed.catch(() => undefined), sleep(publishWithin, undefined, { ref: false })]);
  };
  /** What is held where upstream cannot be asked for what is not. */
  const orHeld = async (place: Place, find: () => Promise<Located>): Promise<Located> => {
    try {
      return await find();
    } catch (error) {
      // An empty record may be here, of a package that others depend on optionally.
      if (place.isFile()) return located({ place }, { mark: "stale", since: undefined });
      throw error;
    }
  };
  const ownRecord = async (name: string): Promise<Located | undefined> => {
    const place = placeBelow(registry.packagesDir, name);
    const isOthers = other?.knows(name) === true;
    const isOwn = !isOthers && (await ownNames(registry, name)) !== undefined;
    if (place === undefined || online === undefined || isOwn) return held(place);
    return orHeld(place, async () => {
      const current = isOthers ? await other.record(name) : await records.get(name).catch(ofOther(name));
      if (current.isFresh) return located({ place: await online.package(name, current.value) }, current);
      await publish();
      if (place.isFile()) return located({ place }, current);
      const why = `what ${host} has of it cannot be had, or not be believed, just now`;
      throw new MirrorError("away", `no release of ${name} is held here, and ${why}`);
    });
  };
  /** What hex.pm does not have, the other mirror may have as its own. */
  const ofOther = (name: string) => async (error: unknown) => {
    const isAbsent = error instanceof MirrorError && error.code === "not_found";
    if (!isAbsent || other === undefined) throw error;
    return other.record(name);
  };
  const ownList = async (which: ListName): Promise<Located | undefined> => {
    const place = registry.resource(which);
    if (online === undefined) return held(place);
    return orHeld(place, async () => {
      const current = await lists();
      if (current.isFresh) return located({ place: await online.list(which, current.value) }, current);
      await publish();
      return located({ place }, current);
    });
  };
  const upstreamRecord = async (name: string): Promise<Located> => {
    const why = await ownNames(registry, name);
    if (why !== undefined) throw new MirrorError("not_found", `${name} is this mirror's own package: ${why}`);
    const current = await records.get(name);
    const place = registry.upstreamPackage(name);
    return located(bringer.keeps && place.isFile() ? { place } : { bytes: current.value.bytes }, current);
  };
  const tarball = async (file: string): Promise<Located | undefined> => {
    const named = parseTarballName(file);
    const isHeld = placeBelow(registry.tarballsDir, file)?.isFile() === true;
    if (isHeld || named === undefined || other?.knows(named.name) !== true) return releases.tarball(file);
    return other.tarball(named);
  };
  return {
    settled,
    registry: async (path) => {
      const { room, name } = partsOf(path);
      if (room === "packages") return ownRecord(name);
      if (room === "names" || room === "versions") return ownList(room);
      if (room === "tarballs") return tarball(name);
      return room === "docs" ? releases.docs(name) : held(placeBelow(registry.dir, path));
    },
    upstream: async (path) => {
      const { room, name } = partsOf(path);
      if (room === "packages") return upstreamRecord(name);
      if (room === "names" || room === "versions") {
        // A sync may have been told to keep them.
        return orHeld(registry.upstreamDir.at(room), async () => {
          const current = await lists();
          return located({ place: current.value.places[room] }, current);
        });
      }
      const bytes = Buffer.from(publicKeyPem(upstream.publicKey));
      return room === "public_key"
        ? { mark: "hit", content: { bytes }, since: Date.now(), until: Infinity }
        : undefined;
    },
  };
}

/** `/packages/jason` → its room and what it names there; none for what lies deeper. */
function partsOf(path: string): { readonly room: string; readonly name: string } {
  const [, room = "", name = ""] = /^\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  return { room, name };
}
