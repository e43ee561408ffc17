/**
 * Upstream's record of a package, as it is now. The one that is held is read anew each time: what lies in the folder is
 * not trusted either.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { fetchRecord, verifyRecord, type HexUpstream } from "../fetch/hex.ts";
import type { Package } from "../hex/records.ts";
import type { BringTools } from "./artifact.ts";
import type { HexSource } from "./hex-sources.ts";
import { transferOf } from "./reporter.ts";
import { takeRecord, type TakeTools } from "./take-record.ts";

/** @throws MirrorError */
export async function refreshRecord(
  name: string,
  source: HexSource,
  tools: Pick<BringTools, "http" | "signal"> & TakeTools,
): Promise<Package> {
  const { upstream, validators, paths } = source;
  const file = paths.upstreamPackage(name);
  const held = await readHeld(file, name, upstream);
  const validator = held === undefined ? undefined : validators.get(name);
  const fetched = await fetchRecord(tools.http, upstream, name, validator, transferOf(tools));
  const record = fetched.changed ? fetched.record : held?.record;
  if (record === undefined) throw new MirrorError("upstream", `upstream sent no record of ${name}`);
  await takeRecord(source, { before: held?.record, after: record }, tools);
  if (fetched.changed) {
    if (held?.bytes.equals(fetched.bytes) !== true) await file.write(fetched.bytes);
    validators.set(name, fetched.validator);
  }
  source.onVerified();
  return record;
}

async function readHeld(
  file: Place,
  name: string,
  upstream: HexUpstream,
): Promise<{ bytes: Buffer; record: Package } | undefined> {
  const bytes = await file.read();
  if (bytes === undefined) return undefined;
  try {
    return { bytes, record: verifyRecord(bytes, upstream, name, file.path) };
  } catch {
    // Damaged, or signed by the key of another upstream: fetched whole again.
    return undefined;
  }
}
