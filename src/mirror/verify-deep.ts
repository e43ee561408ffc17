/**
 * Hashes everything that is held, whether or not a lock names it, and moves what is damaged aside, to `corrupt/`: a
 * client then gets a clear 404 instead of damaged bytes, and the next sync fetches it anew.
 */
import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describeError } from "../errors.ts";
import { isFile } from "../files.ts";
import { verifyRecord } from "../fetch/hex.ts";
import { sha512Of } from "../fetch/installers.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { foreignSettings } from "../git/foreign-settings.ts";
import { tryGit } from "../git/run.ts";
import { tarballProblem } from "../hex/check.ts";
import type { Package } from "../hex/records.ts";
import { signedName } from "../hex/repository.ts";
import { readTarball } from "../hex/tarball.ts";
import { installerLists, wantedInstallers } from "../plan/installers.ts";
import { listFolder, readIfPresent } from "../store/atomic.ts";
import { moveToCorrupt } from "../store/corrupt.ts";
import { readFileChecksums } from "../store/file-checksums.ts";
import { listDocs, listRegistries, listRepositories, listTarballs } from "../store/inventory.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { asOnlyWriter, requireMirror, type Context } from "./context.ts";
import type { MovedAside } from "./findings.ts";
import { heldRecordsKey } from "./hex-upstreams.ts";
import { hashFile } from "./sync-files.ts";

export async function moveCorruptAside(
  context: Context,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<MovedAside[]> {
  await requireMirror(context);
  return asOnlyWriter(context, async (locked) => {
    const damaged: MovedAside[] = [];
    for (const registry of await listRegistries(locked.paths)) damaged.push(...(await damagedIn(locked, registry)));
    damaged.push(...(await damagedInstallers(locked)), ...(await damagedFiles(locked)));
    damaged.push(...(await damagedRepositories(locked, gitEnvironments)));
    return Promise.all(damaged.map((found) => moveAside(locked, found)));
  });
}

async function damagedIn(context: Context, registry: RegistryPaths): Promise<MovedAside[]> {
  const damaged: MovedAside[] = [];
  const records = new Map<string, Package>();
  const names = await listFolder(registry.upstreamPackagesDir);
  // A key that cannot be had is no damage of the records: it ends the command, and nothing is moved.
  if (names.length > 0) {
    const publicKey = await heldRecordsKey(context, registry.repository);
    damaged.push(...(await readRecords(registry, names, publicKey, records)));
  }
  for (const { name, version, path } of await listTarballs(registry)) {
    const reason = await tarballDamage(path, records.get(name), name, version);
    if (reason !== undefined) damaged.push({ path, reason });
  }
  for (const { path } of await listDocs(registry)) {
    const bytes = await readFile(path);
    try {
      gunzipSync(bytes);
    } catch (error) {
      damaged.push({ path, reason: describeError(error) });
    }
  }
  return damaged;
}

/** @param records takes those that are right @returns those that are not */
async function readRecords(
  registry: RegistryPaths,
  names: readonly string[],
  publicKey: KeyObject,
  records: Map<string, Package>,
): Promise<MovedAside[]> {
  const damaged: MovedAside[] = [];
  const upstream = { url: "", repository: signedName(registry.repository), publicKey };
  for (const name of names) {
    const path = registry.upstreamPackage(name);
    const bytes = await readFile(path);
    try {
      records.set(name, verifyRecord(bytes, upstream, name, path));
    } catch (error) {
      damaged.push({ path, reason: describeError(error) });
    }
  }
  return damaged;
}

async function tarballDamage(path: string, record: Package | undefined, name: string, version: string) {
  // What cannot be read now is no damage: it ends the command, and nothing is moved.
  const bytes = await readFile(path);
  try {
    const tarball = readTarball(bytes);
    const release = record?.releases.find((candidate) => candidate.version === version);
    return tarballProblem(
      tarball,
      name,
      release ?? { version, innerChecksum: tarball.innerChecksum, outerChecksum: tarball.outerChecksum },
    );
  } catch (error) {
    return describeError(error);
  }
}

/** Only what a list that is held names can be checked; what no list names is asked for by nobody. */
async function damagedInstallers({ paths }: Context): Promise<MovedAside[]> {
  const damaged: MovedAside[] = [];
  for (const list of installerLists) {
    const csv = (await readIfPresent(join(paths.installsDir, list.name)))?.toString("utf8");
    for (const { path, sha512 } of csv === undefined ? [] : wantedInstallers(csv, list, [])) {
      const file = join(paths.installsDir, ...path.split("/"));
      const bytes = await readIfPresent(file);
      if (bytes !== undefined && sha512Of(bytes) !== sha512) {
        damaged.push({ path: file, reason: `it is not the file that ${list.name} names` });
      }
    }
  }
  return damaged;
}

async function damagedFiles({ paths }: Context): Promise<MovedAside[]> {
  const damaged: MovedAside[] = [];
  for (const [key, { sha256 }] of await readFileChecksums(paths)) {
    const [host = "", ...rest] = key.split("/");
    const path = paths.file(host, rest.join("/"));
    if (!(await isFile(path))) continue;
    if ((await hashFile(path)) !== sha256)
      damaged.push({ path, reason: "its SHA-256 is another than the first sync got" });
  }
  return damaged;
}

async function damagedRepositories(
  { paths, signal }: Context,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<MovedAside[]> {
  const damaged: MovedAside[] = [];
  for (const { dir } of await listRepositories(paths)) {
    const foreign = await foreignSettings(dir);
    if (foreign !== undefined) {
      damaged.push({ path: dir, reason: foreign });
      continue;
    }
    const { own } = await gitEnvironments();
    const { code, stderr, stdout } = await tryGit(["fsck", "--full", "--no-dangling", "--no-progress"], {
      env: own,
      cwd: dir,
      signal,
    });
    const first = `${stderr}\n${stdout.toString("utf8")}`.split("\n").find(tellsOfDamage);
    if (code !== 0 && first !== undefined) damaged.push({ path: dir, reason: `git fsck: ${first}` });
  }
  return damaged;
}

/** Genuine history is full of oddities (`error in commit …: badTimezone: …`), which upstream has as well. */
function tellsOfDamage(line: string): boolean {
  return (
    line.trim() !== "" && !/^(?:error|warning) in \w+ [0-9a-f]+: \w+:/.test(line) && !/^(?:notice|warning):/.test(line)
  );
}

async function moveAside({ paths, config }: Context, found: MovedAside): Promise<MovedAside> {
  if (!config.dryRun) await moveToCorrupt(paths, found.path);
  return found;
}
