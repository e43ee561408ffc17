/**
 * Upstream's records of packages, as they are by now: asked for when they are older than `--max-age`, and kept in
 * the mirror, or, where nothing can be kept, in memory.
 */
import { LRUCache } from "lru-cache";
import type { HexSource } from "../artifacts/hex-sources.ts";
import { lockedChecksums } from "../artifacts/bring-packages.ts";
import { readHeld, refreshRecord, type HeldRecord } from "../artifacts/refresh-record.ts";
import type { TakeTools } from "../artifacts/take-record.ts";
import { MirrorError } from "../errors.ts";
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
  const ask = bringer.keeps ? keeping(source, bringer) : passing(upstream, bringer);

  const held = async (name: string): Promise<HeldRecord | undefined> => {
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
          known.set(name, record);
          return record;
        },
        onRefused: (why) => {
          const item: Item = { kind: "record", repository: paths.repository, name };
          bringer.reporter.warn(`is served as it is held: ${why}`, item);
        },
      },
      tools,
    );
  return { get, held };
}

type Ask = (name: string, before: HeldRecord | undefined) => Promise<HeldRecord>;

/** By way of the mirror. */
function keeping(source: HexSource, bringer: Bringer): Ask {
  const { paths, reporter, withdraw, known, http, signal, land } = bringer;
  return async (name) => {
    const locked: TakeTools["locked"] = async () => {
      const jobs = packageJobs(await known());
      return lockedChecksums(jobs.find((job) => job.repository === source.paths.repository && job.name === name));
    };
    return refreshRecord(name, source, { http, signal, land, paths, reporter, acceptChanged: [], withdraw, locked });
  };
}

/** Where nothing can be kept. */
function passing(upstream: HexUpstream, bringer: Bringer): Ask {
  const validators = new LRUCache<string, Validator>({ max: maxKnown });
  return async (name, before) => {
    const validator = before === undefined ? undefined : validators.get(name);
    const fetched = await fetchRecord(bringer.http, upstream, name, validator, transferOf(bringer));
    if (!fetched.changed) {
      if (before !== undefined) return before;
      throw new MirrorError("upstream", `upstream answered for ${name} what it was not asked`);
    }
    validators.set(name, fetched.validator);
    return { bytes: fetched.bytes, record: fetched.record, stamp: undefined };
  };
}
