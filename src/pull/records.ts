/**
 * Upstream's records of packages, as they are by now: asked for when they are older than `--max-age`, and kept in
 * the mirror, or, where nothing can be kept, in memory. Who asks for one of which nothing was known does not wait for its place.
 */
import { LRUCache } from "lru-cache";
import type { HexSource } from "../artifacts/hex-sources.ts";
import { lockedChecksums } from "../artifacts/bring-packages.ts";
import { readHeld, refreshRecord, type HeldRecord } from "../artifacts/refresh-record.ts";
import type { TakeTools } from "../artifacts/take-record.ts";
import { MirrorError, describeError } from "../errors.ts";
import { packageJobs } from "../plan/packages.ts";
import { transferOf } from "../reporter.ts";
import type { Item } from "../names/item.ts";
import { fetchRecord, type HexUpstream } from "../upstream/hex.ts";
import type { Validator } from "../store/validators.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, type Current, type CurrentTools } from "./current.ts";

export interface Records {
  /**
   * @param maxAge seconds; what was asked for since then is not asked for again
   * @throws MirrorError `not_found` where upstream has none and none is held; `away`, `upstream`, `integrity`
   */
  readonly get: (name: string, maxAge?: number) => Promise<Current<HeldRecord>>;
  /** The one that is held, whatever upstream says. */
  readonly held: (name: string) => Promise<HeldRecord | undefined>;
  /** When the one that has come has its place, or will have none. */
  readonly placed: (name: string) => Promise<void>;
  /** When all have. */
  readonly settled: () => Promise<void>;
}

export interface RecordsTools extends CurrentTools {
  readonly bringer: Bringer;
  /** Seconds. */
  readonly maxAge: number;
}

const maxKnown = 2000;

export function createRecords(source: HexSource, tools: RecordsTools): Records {
  const { bringer, maxAge: usualMaxAge } = tools;
  const { upstream, paths } = source;
  const host = new URL(upstream.url).host;
  const known = new LRUCache<string, HeldRecord>({ max: maxKnown });
  const { ask, arriving, placing } = bringer.keeps ? keeping(source, bringer) : passing(upstream, bringer);

  const held = async (name: string): Promise<HeldRecord | undefined> => {
    const arrived = arriving.get(name);
    if (arrived !== undefined) return arrived;
    const before = known.get(name);
    if (!bringer.keeps && before !== undefined) return before;
    const record = await readHeld(paths.upstreamPackage(name), name, upstream, before);
    if (record === undefined) known.delete(name);
    else known.set(name, record);
    return record;
  };
  const get = async (name: string, maxAge = usualMaxAge) =>
    currentOf(
      {
        key: `record ${paths.repository}/${name}`,
        host,
        maxAge,
        held: async () => held(name),
        refresh: async (before) => {
          const record = await ask(name, before);
          // One that has no place yet is known when it has.
          if (!bringer.keeps || record.stamp !== undefined) known.set(name, record);
          return record;
        },
        onRefused: (why) => {
          const item: Item = { kind: "record", repository: paths.repository, name };
          bringer.reporter.warn(`is served as it is held: ${why}`, item);
        },
      },
      tools,
    );
  return {
    get,
    held,
    placed: async (name) => placing.get(name),
    settled: async () => void (await Promise.all(placing.values())),
  };
}

interface Way {
  readonly ask: (name: string, before: HeldRecord | undefined) => Promise<HeldRecord>;
  /** What has come and has no place yet, by name. */
  readonly arriving: ReadonlyMap<string, HeldRecord>;
  readonly placing: ReadonlyMap<string, Promise<void>>;
}

/** By way of the mirror. */
function keeping(source: HexSource, bringer: Bringer): Way {
  const { paths, reporter, withdraw, known, http, signal, land } = bringer;
  const { repository } = source.paths;
  const arriving = new Map<string, HeldRecord>();
  const placing = new Map<string, Promise<void>>();
  const refresh = async (name: string, onFirst: (record: HeldRecord) => void): Promise<HeldRecord> => {
    const locked: TakeTools["locked"] = async () => {
      const jobs = packageJobs(await known());
      return lockedChecksums(jobs.find((job) => job.repository === repository && job.name === name));
    };
    const tools = { http, signal, land, paths, reporter, acceptChanged: [], withdraw, locked, onFirst };
    return refreshRecord(name, source, tools);
  };
  const untilPlaced = async (name: string, refreshed: Promise<HeldRecord>): Promise<void> => {
    try {
      await refreshed;
    } catch (error) {
      reporter.warn(`could not be kept: ${describeError(error)}`, { kind: "record", repository, name });
    } finally {
      arriving.delete(name);
      placing.delete(name);
    }
  };
  const ask: Way["ask"] = async (name) => {
    await placing.get(name);
    return new Promise((resolve, reject) => {
      const refreshed = refresh(name, (record) => {
        arriving.set(name, record);
        placing.set(name, untilPlaced(name, refreshed));
        resolve(record);
      });
      refreshed.then(resolve, reject);
    });
  };
  return { ask, arriving, placing };
}

/** Where nothing can be kept. */
function passing(upstream: HexUpstream, bringer: Bringer): Way {
  const validators = new LRUCache<string, Validator>({ max: maxKnown });
  const ask: Way["ask"] = async (name, before) => {
    const validator = before === undefined ? undefined : validators.get(name);
    const fetched = await fetchRecord(bringer.http, upstream, name, validator, transferOf(bringer));
    if (!fetched.changed) {
      if (before !== undefined) return before;
      throw new MirrorError("upstream", `upstream answered for ${name} what it was not asked`);
    }
    validators.set(name, fetched.validator);
    return { bytes: fetched.bytes, record: fetched.record, stamp: undefined };
  };
  return { ask, arriving: new Map(), placing: new Map() };
}
