/**
 * A Hex repository as its clients find it: the lists that we sign, a record for each package that they name, a tarball for
 * each release. Lists and records are read and verified when they are new; of tarballs, size and times are looked at, and
 * those that are new are hashed.
 */
import type { KeyObject } from "node:crypto";
import { lookInto, type Look } from "../disk/look-into.ts";
import type { Place } from "../disk/place.ts";
import { stampFrom } from "../disk/stamp.ts";
import { describeError } from "../errors.ts";
import { hexDigits } from "../hex/checksums.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import { isPackageName } from "../names/hex-names.ts";
import { servedName } from "../names/hex-repository.ts";
import { isVersion } from "../names/versions.ts";
import type { StorePaths } from "../store/paths.ts";
import { parseTarballName, type RegistryPaths } from "../store/registry-paths.ts";
import { readUnsigned } from "../store/unsigned.ts";
import type { Content } from "./content.ts";
import { aMoment, untilSigned } from "./lasting.ts";
import { lookAtLists, readLists, type Lists } from "./lists.ts";
import type { Pace } from "./pace.ts";
import type { Problem } from "./problem.ts";

export interface RegistryState {
  readonly packages: number;
  readonly releases: number;
  /** What it lists, by package, where that can be read. */
  readonly records: ReadonlyMap<string, Package>;
  /** What lies in its folder of tarballs, by name. */
  readonly tarballs: ReadonlyMap<string, Look>;
  readonly problems: readonly Problem[];
}

export const nothing: RegistryState = {
  packages: 0,
  releases: 0,
  records: new Map(),
  tarballs: new Map(),
  problems: [],
};

interface CheckedRecord {
  readonly stamp: string;
  readonly key: KeyObject;
  /** What it says, of whatever package. */
  readonly record: Package | undefined;
  /** What is wrong with it, after its name. */
  readonly problem: string | undefined;
}

export class RegistryWatch {
  private readonly registry: RegistryPaths;
  private readonly paths: StorePaths;
  private readonly content: Content;
  /** `the registry`, `the registry /repos/acme` */
  private readonly shown: string;
  /** Below the registry, as clients ask: `` or `repos/acme/` */
  private readonly below: string;
  private lists: { readonly stamp: string; readonly found: Lists } | undefined;
  private records = new Map<string, CheckedRecord>();
  /** Packages that somebody brought and had not signed yet. */
  private arriving: ReadonlySet<string> = new Set();

  /** How bad it is when all of it is gone: without an organisation's the rest is served. */
  private readonly worst: Problem["severity"];

  /** @param paths of the mirror that it is a part of */
  constructor(registry: RegistryPaths, paths: StorePaths, content: Content) {
    this.registry = registry;
    this.paths = paths;
    this.content = content;
    const served = servedName(registry.repository);
    this.shown = served === undefined ? "the registry" : `the registry /repos/${served}`;
    this.below = served === undefined ? "" : `repos/${served}/`;
    this.worst = served === undefined ? "unhealthy" : "degraded";
  }

  /** Another when a file came or went, or the lists are others. Files that were written over are seen by `look` alone. */
  stamp(): string {
    const { tarballsDir, packagesDir } = this.registry;
    const places = [tarballsDir, packagesDir, this.paths.unsigned];
    return [lookAtLists(this.registry), ...places.map(stampOfPlace)].join("\n");
  }

  /**
   * @param path as a client asks for it @param isThere whether it is given; what is not, and is listed, is a complaint
   * @param problemOf what is told of a subject
   */
  complaint(path: string, isThere: boolean, problemOf: (subject: string) => Problem | undefined): string | undefined {
    const subject = path.replace(/^\//, "");
    const problem = problemOf(subject);
    if (problem !== undefined || isThere || !subject.startsWith(this.below)) return problem?.text;
    const [, room, file = ""] = /^(packages|tarballs)\/([^/]+)$/.exec(subject.slice(this.below.length)) ?? [];
    const { name, version } = room === "packages" ? { name: file } : { version: "", ...parseTarballName(file) };
    const versions = this.lists?.found.versions.get(name ?? "");
    const isListed = versions !== undefined && (version === undefined || versions.includes(version));
    return isListed ? `${subject} is listed and not here; run "mirror-server sync" or "build"` : undefined;
  }

  async look(pace: Pace): Promise<RegistryState> {
    // Before the lists: what was signed is noted no more.
    this.arriving = (await readUnsigned(this.paths)).get(this.registry.repository) ?? new Set();
    const lists = await this.currentLists();
    const { problem, key, versions } = lists;
    const told = problem === undefined ? [] : [this.problem("registry", `${this.below}names`, problem, this.worst)];
    if (key === undefined) return { ...nothing, problems: told };
    const releases = [...versions.values()].reduce((sum, { length }) => sum + length, 0);
    const tarballs = await lookInto(this.registry.tarballsDir, pace.breathe);
    const problems = [
      // One of them is written before the other.
      ...told.map((each) => ({ ...each, passesWithin: aMoment })),
      ...(await this.checkRecords(versions, key, pace)),
      ...(await this.checkTarballs(versions, releases, tarballs, pace)),
    ];
    const listed = [...versions.keys()].flatMap((name) => {
      const known = this.records.get(name);
      return known?.problem === undefined ? (known?.record ?? []) : [];
    });
    const records = new Map(listed.map((record) => [record.name, record]));
    return { packages: versions.size, releases, records, tarballs, problems };
  }

  private async currentLists(): Promise<Lists> {
    const stamp = lookAtLists(this.registry);
    // Where nothing is signed, it depends on what else lies there.
    if (this.lists?.stamp === stamp && this.lists.found.key !== undefined) return this.lists.found;
    const found = await readLists(this.registry);
    this.lists = { stamp, found };
    return found;
  }

  private async checkRecords(versions: Lists["versions"], key: KeyObject, pace: Pace): Promise<Problem[]> {
    const { packagesDir } = this.registry;
    const found = await lookInto(packagesDir, pace.breathe);
    const checked = new Map<string, CheckedRecord>();
    const problems: Problem[] = [];
    const tell = (name: string, text: string) =>
      this.problem("record", `${this.below}packages/${name}`, `the record of ${this.below}${name} ${text}`);
    // Those that are not listed, too: they may silence what looks for an optional dependency, and list no release.
    for (const name of new Set([...versions.keys(), ...[...found.keys()].filter(isPackageName)])) {
      await pace.breathe();
      const stats = found.get(name);
      if (stats === undefined) {
        problems.push(tell(name, 'is listed and not here; run "mirror-server sync" or "build"'));
        continue;
      }
      const listed = versions.get(name) ?? [];
      const record = this.known(name, stats, key) ?? checkRecord(packagesDir.at(name), stats, key, name);
      checked.set(name, record);
      if (record.problem !== undefined) problems.push(tell(name, record.problem));
      else if (!isSameSet(versionsIn(record), listed)) {
        problems.push({
          ...tell(name, 'does not list what "versions" says; run "mirror-server build"'),
          passesWithin: this.passesWithin(name),
        });
      }
    }
    this.records = checked;
    if (versions.size === 0 || [...versions.keys()].some((name) => found.has(name))) return problems;
    const text = `none of the ${versions.size} records of ${this.shown} is here`;
    return [this.problem("record", `${this.below}packages`, text, this.worst)];
  }

  /** What one key vouched for has to be verified by another. */
  private known(name: string, stats: Look, key: KeyObject): CheckedRecord | undefined {
    const known = this.records.get(name);
    return known?.stamp === stampFrom(stats) && known.key.equals(key) ? known : undefined;
  }

  private async checkTarballs(
    versions: Lists["versions"],
    releases: number,
    found: ReadonlyMap<string, Look>,
    pace: Pace,
  ): Promise<Problem[]> {
    const { tarballsDir } = this.registry;
    const problems: Problem[] = [];
    let missing = 0;
    const tell = (file: string, text: string) =>
      this.problem("tarball", `${this.below}tarballs/${file}`, `the tarball ${this.below}${file} ${text}`);
    for (const [name, list] of versions) {
      for (const version of list) {
        await pace.breathe();
        const file = `${name}-${version}.tar`;
        const stats = found.get(file);
        if (stats === undefined) missing += 1;
        const damage = await this.tarballDamage(
          tarballsDir.at(file),
          stats,
          checksumIn(this.records.get(name), version),
          pace,
        );
        if (damage !== undefined) problems.push(tell(file, damage));
      }
    }
    if (releases > 0 && missing === releases) {
      const text = `none of the ${releases} tarballs of ${this.shown} is here`;
      return [this.problem("tarball", `${this.below}tarballs`, text, this.worst)];
    }
    for (const file of found.keys()) {
      const parsed = parseTarballName(file);
      if (parsed === undefined || !isVersion(parsed.version)) continue;
      if (versions.get(parsed.name)?.includes(parsed.version) === true) continue;
      // A record may list it already: then that is what is told.
      if (releaseIn(this.records.get(parsed.name), parsed.version) !== undefined) continue;
      const text = `${tell(file, "is here and not signed").text}; run "mirror-server build", or "verify" to see why not`;
      const problem = this.problem("unsigned", `${this.below}tarballs/${file}`, text);
      problems.push({ ...problem, passesWithin: this.passesWithin(parsed.name) });
    }
    return problems;
  }

  /** Who brings packages signs them now and then, several together. */
  private passesWithin(name: string): number {
    return this.arriving.has(name) ? untilSigned : aMoment;
  }

  private async tarballDamage(place: Place, stats: Look | undefined, checksum: string | undefined, pace: Pace) {
    if (stats === undefined) return 'is listed and not here; run "mirror-server sync"';
    if (!stats.isFile) return "is no regular file";
    if (checksum === undefined || checksum === "") return undefined;
    let actual: string | undefined;
    try {
      actual = await this.content.sha256(place, stats, pace);
    } catch (error) {
      return place.isFile() ? `cannot be read: ${describeError(error)}` : undefined;
    }
    return actual === undefined || actual === checksum
      ? undefined
      : 'is not what its record says; run "mirror-server sync" to fetch it anew';
  }

  private problem(
    kind: Problem["kind"],
    subject: string,
    text: string,
    severity: Problem["severity"] = "degraded",
  ): Problem {
    return { kind, severity, subject, text };
  }
}

function checkRecord(place: Place, stats: Look, key: KeyObject, name: string): CheckedRecord {
  const stamp = stampFrom(stats);
  if (!stats.isFile) return { stamp, key, record: undefined, problem: "is no regular file" };
  try {
    const record = decodePackage(verifyAndUnwrap(place.readNow(), key));
    // As they are read they hold on to all that was decoded, which is as much again.
    for (const release of record.releases) {
      release.innerChecksum = Buffer.from(release.innerChecksum);
      release.outerChecksum = Buffer.from(release.outerChecksum);
    }
    const problem = record.name === name ? undefined : `is that of ${JSON.stringify(record.name)}`;
    return { stamp, key, record, problem };
  } catch (error) {
    const problem = `cannot be served: ${describeError(error)}`;
    return { stamp, key, record: undefined, problem };
  }
}

function versionsIn({ record }: CheckedRecord): string[] {
  return record?.releases.map(({ version }) => version) ?? [];
}

function releaseIn(known: CheckedRecord | undefined, version: string): Release | undefined {
  return known?.record?.releases.find((release) => release.version === version);
}

/** The outer one in hex digits; empty where the record has none. */
function checksumIn(known: CheckedRecord | undefined, version: string): string | undefined {
  const release = releaseIn(known, version);
  return release === undefined ? undefined : hexDigits(release.outerChecksum);
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  const set = new Set(others);
  return some.length === set.size && some.every((each) => set.has(each));
}

/** Of the place itself, whatever it is; what bars the way to it counts as one of its own. */
function stampOfPlace(place: Place): string {
  try {
    const stats = place.look();
    return stats === undefined ? "-" : stampFrom(stats);
  } catch (error) {
    return describeError(error);
  }
}
