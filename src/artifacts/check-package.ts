/** Are the releases of a package here, intact, and in the registry as a client reads it? */
import type { KeyObject } from "node:crypto";
import type { Place } from "../disk/place.ts";
import { describeError } from "../errors.ts";
import { readExpectedTarball } from "../hex/check.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import type { Demand, PackageJob } from "../plan/packages.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import type { Checked, Problem } from "./artifact.ts";

/** @param key of our registry; undefined: there is none that can be read */
export async function* checkPackage(
  registry: RegistryPaths,
  { repository, name, releases }: PackageJob,
  key: KeyObject | undefined,
): AsyncIterable<Checked> {
  const record = await readRecord(registry, name, key);
  for (const { version, demands } of releases) {
    const problems = await problemsOf(registry.tarball(name, version), { name, version, demands }, record);
    yield { item: { kind: "release", repository, name, version }, problems };
  }
}

interface Wanted {
  readonly name: string;
  readonly version: string;
  readonly demands: readonly Demand[];
}

type OwnRecord = { readonly releases: readonly Release[] } | { readonly damage: string };

async function problemsOf(tarball: Place, { name, version, demands }: Wanted, record: OwnRecord): Promise<Problem[]> {
  const [first] = demands;
  const problem = (state: Problem["state"], reason: string, demand = first): Problem => ({
    state,
    reason,
    ...(demand === undefined ? {} : { lock: demand.lock, app: demand.app }),
  });
  if (!isThere(tarball)) return [problem("missing", "its tarball is not here")];
  if (!tarball.isFile()) {
    return [problem("damaged", `its tarball is damaged: ${tarball.path} is no regular file`)];
  }
  if ("damage" in record) return [problem("damaged", `the registry's record is damaged: ${record.damage}`)];
  const release = record.releases.find((other) => other.version === version);
  if (release === undefined) return [problem("missing", 'the registry does not list it; run "mirror-server build"')];
  const damage = await damageIn(tarball, name, release, []);
  if (damage !== undefined) return [problem("damaged", `its tarball is damaged: ${damage}`)];
  const problems: Problem[] = [];
  for (const demand of demands) {
    const mismatch = await damageIn(tarball, name, release, [demand]);
    if (mismatch !== undefined) problems.push(problem("damaged", `its tarball: ${mismatch}`, demand));
  }
  return problems;
}

async function readRecord(registry: RegistryPaths, name: string, key: KeyObject | undefined): Promise<OwnRecord> {
  try {
    const bytes = await registry.resource(`packages/${name}`).read();
    if (bytes === undefined) return { releases: [] };
    if (key === undefined) return { damage: "the registry has no public_key that can be read" };
    const record: Package = decodePackage(verifyAndUnwrap(bytes, key));
    return record;
  } catch (error) {
    return { damage: describeError(error) };
  }
}

/** A link, too, which is then told by its name. */
function isThere(file: Place): boolean {
  try {
    return file.look() !== undefined;
  } catch {
    return true;
  }
}

/** @throws MirrorError `storage`: what cannot be read now may be whole */
async function damageIn(
  file: Place,
  name: string,
  release: Release,
  demands: readonly Demand[],
): Promise<string | undefined> {
  const bytes = await file.read();
  try {
    readExpectedTarball(bytes ?? Buffer.alloc(0), name, release, demands);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}
