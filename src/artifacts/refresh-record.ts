/**
 * Upstream's record of a package, as it is now. The one that is held is read anew each time: what lies in the folder is
 * not trusted either.
 */
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";
import { MirrorError } from "../errors.ts";
import { fetchRecord, verifyRecord, type FetchedRecord, type HexUpstream } from "../upstream/hex.ts";
import type { Package } from "../hex/records.ts";
import type { BringTools } from "./artifact.ts";
import type { HexSource } from "./hex-sources.ts";
import { transferOf } from "../reporter.ts";
import { judgeRecord, takeRecord, type TakeTools } from "./take-record.ts";

type Tools = Pick<BringTools, "http" | "signal" | "land"> &
  TakeTools & {
    /** Told of one that is verified, and of a package that nothing was known of, before it has its place. */
    readonly onFirst?: (record: HeldRecord) => void;
  };

// Others who change it meanwhile are few.
const maxTries = 3;

/** @throws MirrorError */
export async function refreshRecord(name: string, source: HexSource, tools: Tools): Promise<HeldRecord> {
  for (let tries = 1; ; tries += 1) {
    const record = await tryToRefresh(name, source, tools);
    if (record !== "overtaken") return record;
    if (tries === maxTries) throw new MirrorError("busy", "other processes change its record all the time; sync again");
  }
}

async function tryToRefresh(name: string, source: HexSource, tools: Tools): Promise<HeldRecord | "overtaken"> {
  const { upstream, validators, learned, paths } = source;
  const file = paths.upstreamPackage(name);
  const held = await readHeld(file, name, upstream);
  const validator = held === undefined ? undefined : (learned.get(name) ?? validators.get(name));
  const fetched = await fetchRecord(tools.http, upstream, name, validator, transferOf(tools));
  // A mirror of before knows no history of it yet; what has a validator was written down before that.
  const isDone = !fetched.changed && source.isVerified() && paths.history(name).isFile();
  if (held !== undefined && isDone) return held;
  if (fetched.changed && file.look() === undefined && tools.onFirst !== undefined) {
    const { bytes, record } = fetched;
    const { isFirst } = await judgeRecord(source, { before: undefined, after: record }, tools);
    if (isFirst) tools.onFirst({ bytes, record, stamp: undefined });
  }
  const package_ = { repository: paths.repository, name };
  const staged = fetched.changed ? await file.stage(fetched.bytes, { isSynced: true }) : undefined;
  try {
    return await tools.land(
      async () => landRecord(file, name, { source, before: held, fetched, staged, tools }),
      fetched.changed ? package_ : undefined,
    );
  } finally {
    await staged?.remove();
  }
}

interface Landed {
  readonly source: HexSource;
  /** What was held when it was asked for. */
  readonly before: HeldRecord | undefined;
  readonly fetched: FetchedRecord;
  /** What was fetched, where it is another than before. */
  readonly staged: Place | undefined;
  readonly tools: Tools;
}

/** @returns `overtaken` where another process has put another record there meanwhile, which may be newer */
async function landRecord(
  file: Place,
  name: string,
  { source, before, fetched, staged, tools }: Landed,
): Promise<HeldRecord | "overtaken"> {
  const held = await readHeld(file, name, source.upstream, before);
  const isAnother = held?.stamp !== before?.stamp && !(fetched.changed && held?.bytes.equals(fetched.bytes) === true);
  const record = fetched.changed ? fetched.record : held?.record;
  if (isAnother || record === undefined) return "overtaken";
  await takeRecord(source, { before: held?.record, after: record }, tools);
  if (fetched.changed) {
    if (held?.bytes.equals(fetched.bytes) !== true) await staged?.moveTo(file);
    // Not of one that was refused.
    source.learned.set(name, fetched.validator);
  }
  await source.onVerified();
  const found = file.look();
  const bytes = fetched.changed ? fetched.bytes : (held?.bytes ?? Buffer.alloc(0));
  return { bytes, record, stamp: found === undefined ? undefined : stampFrom(found) };
}

export interface HeldRecord {
  readonly bytes: Buffer;
  readonly record: Package;
  /** Of the file that was read. */
  readonly stamp: string | undefined;
}

/**
 * @param known read before: it is not read again while the file is the same
 * @returns undefined where there is none that can be trusted
 */
export async function readHeld(
  file: Place,
  name: string,
  upstream: HexUpstream,
  known?: HeldRecord,
): Promise<HeldRecord | undefined> {
  const found = file.look();
  const stamp = found === undefined ? undefined : stampFrom(found);
  if (known !== undefined && known.stamp === stamp) return known;
  const bytes = await file.read();
  if (bytes === undefined) return undefined;
  try {
    return { bytes, record: verifyRecord(bytes, upstream, name, file.path), stamp };
  } catch {
    // Damaged, or signed by the key of another upstream: fetched whole again.
    return undefined;
  }
}
