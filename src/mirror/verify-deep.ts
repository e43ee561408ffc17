/**
 * Hashes everything that is held, whether or not a lock names it, and moves what is damaged aside, to `corrupt/`: a
 * client then gets a clear 404 instead of damaged bytes, and the next sync fetches it anew.
 */
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { unpacks } from "../fetch/hex.ts";
import { sha512Of } from "../fetch/installers.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { inspectRepository } from "../git/inspect.ts";
import { readExpectedTarball } from "../hex/check.ts";
import { isPackageName } from "../hex/names.ts";
import type { Package } from "../hex/records.ts";
import { readTarball } from "../hex/tarball.ts";
import { installerLists, wantedInstallers } from "../plan/installers.ts";
import { readFileChecksums } from "../store/file-checksums.ts";
import { listDocs, listRegistries, listRepositories, listTarballs } from "../store/inventory.ts";
import { quarantine } from "../store/quarantine.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { signedChecksums } from "./adoption.ts";
import { asOnlyWriter, requireMirror, type Context } from "./context.ts";
import type { MovedAside } from "./findings.ts";
import { heldRecordsKey } from "./hex-upstreams.ts";
import { hashFile } from "./sync-files.ts";
import { readUpstreamRecords } from "./upstream-records.ts";
import { readRegistryKey } from "./verify-packages.ts";

export async function moveCorruptAside(
  context: Context,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<MovedAside[]> {
  await requireMirror(context);
  return asOnlyWriter(context, async (locked) => {
    const damaged: Damaged[] = [];
    for (const registry of await listRegistries(locked.paths)) damaged.push(...(await damagedIn(locked, registry)));
    damaged.push(...(await damagedInstallers(locked)), ...(await damagedFiles(locked)));
    damaged.push(...(await damagedRepositories(locked, gitEnvironments)));
    const moved: MovedAside[] = [];
    // One by one: where one cannot be moved, nothing may be under way any more when the lock is given back.
    for (const found of damaged) moved.push(await moveAside(locked, found));
    return moved;
  });
}

interface Damaged {
  readonly place: Place;
  readonly reason: string;
}

async function damagedIn(context: Context, registry: RegistryPaths): Promise<Damaged[]> {
  const names = (await registry.upstreamPackagesDir.list("file")).filter(isPackageName);
  // A key that cannot be had is no damage of the records: it ends the command, and nothing is moved.
  const { records, untrusted } =
    names.length === 0
      ? { records: new Map<string, Package>(), untrusted: new Map<string, unknown>() }
      : await readUpstreamRecords(registry, names, await heldRecordsKey(context, registry.repository));
  const damaged: Damaged[] = [];
  for (const [name, error] of untrusted) {
    // What cannot be read now is no damage.
    if (error instanceof MirrorError && error.code === "storage") throw error;
    damaged.push({ place: registry.upstreamPackage(name), reason: describeError(error) });
  }
  const key = await readRegistryKey(context);
  const signers = key === undefined ? [] : [key];
  for (const { name, version, place } of await listTarballs(registry)) {
    const record = records.get(name);
    const isListed = record === undefined || record.releases.some((release) => release.version === version);
    const isSigned = isListed || (await signedChecksums(registry, name, signers)).has(version);
    const reason = isSigned
      ? await tarballDamage(place, record, name, version)
      : "upstream's record does not list it, and it is not signed";
    if (reason !== undefined) damaged.push({ place, reason });
  }
  for (const { place } of await listDocs(registry)) {
    const bytes = (place.isFile() ? await place.read() : undefined) ?? Buffer.alloc(0);
    try {
      await unpacks(bytes);
    } catch (error) {
      damaged.push({ place, reason: describeError(error) });
    }
  }
  return damaged;
}

async function tarballDamage(file: Place, record: Package | undefined, name: string, version: string) {
  if (!file.isFile()) return "it is no regular file";
  // What cannot be read now is no damage: it ends the command, and nothing is moved.
  const bytes = (await file.read()) ?? Buffer.alloc(0);
  const release = record?.releases.find((candidate) => candidate.version === version);
  try {
    if (release !== undefined) readExpectedTarball(bytes, name, release, []);
    const { metadata } = readTarball(bytes);
    const isNamed = metadata.name === name && metadata.version === version;
    return isNamed ? undefined : `it holds ${metadata.name} ${metadata.version}`;
  } catch (error) {
    return describeError(error);
  }
}

/** Only what a list that is held names can be checked; what no list names is asked for by nobody. */
async function damagedInstallers({ paths }: Context): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const list of installerLists) {
    const csv = (await paths.installsDir.at(list.name).read())?.toString("utf8");
    for (const { path, sha512 } of csv === undefined ? [] : wantedInstallers(csv, list, [])) {
      const place = paths.installsDir.at(path);
      const bytes = await place.read();
      if (bytes !== undefined && sha512Of(bytes) !== sha512) {
        damaged.push({ place, reason: `it is not the file that ${list.name} names` });
      }
    }
  }
  return damaged;
}

async function damagedFiles({ paths }: Context): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const [key, { sha256 }] of await readFileChecksums(paths)) {
    const [host = "", ...rest] = key.split("/");
    const place = paths.file(host, rest.join("/"));
    if (!place.isFile()) continue;
    if ((await hashFile(place)) !== sha256)
      damaged.push({ place, reason: "its SHA-256 is another than the first sync got" });
  }
  return damaged;
}

async function damagedRepositories(
  { paths, signal }: Context,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<Damaged[]> {
  const damaged: Damaged[] = [];
  for (const { place } of await listRepositories(paths)) {
    const environments = await gitEnvironments();
    const inspection = inspectRepository(place, environments.features);
    // With a newer git it will be read.
    if (inspection.state === "unsupported") continue;
    if (inspection.state !== "plain") {
      damaged.push({ place, reason: inspection.reason });
      continue;
    }
    const repository = BareRepository.open(place, { environments, signal });
    const { code, stderr, stdout } = await repository.try(["fsck", "--full", "--no-dangling", "--no-progress"]);
    const first = `${stderr}\n${stdout.toString("utf8")}`.split("\n").find(tellsOfDamage);
    if (code !== 0 && first !== undefined) damaged.push({ place, reason: `git fsck: ${first}` });
  }
  return damaged;
}

/** Genuine history is full of oddities (`error in commit …: badTimezone: …`), which upstream has as well. */
function tellsOfDamage(line: string): boolean {
  return (
    line.trim() !== "" && !/^(?:error|warning) in \w+ [0-9a-f]+: \w+:/.test(line) && !/^(?:notice|warning):/.test(line)
  );
}

async function moveAside({ paths, config }: Context, { place, reason }: Damaged): Promise<MovedAside> {
  if (!config.dryRun) await quarantine(paths, place);
  return { path: place.path, reason };
}
