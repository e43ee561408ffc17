/** The files of a release: its tarball, which goes to no client before its checksums are right, and its documentation. */
import type { Artifact } from "../artifacts/artifact.ts";
import { landTarball } from "../artifacts/bring-packages.ts";
import type { DocumentationJob } from "../artifacts/documentation.ts";
import type { HexSource } from "../artifacts/hex-sources.ts";
import { MirrorError, describeError } from "../errors.ts";
import type { Release } from "../hex/records.ts";
import { packageJobs, type Demand } from "../plan/packages.ts";
import type { OwnNames } from "../registry/own-names.ts";
import { transferOf, type Outcome } from "../reporter.ts";
import { releaseItem } from "../names/item.ts";
import { held, placeBelow, type Located } from "../serve/source.ts";
import { parseDocsName, parseTarballName } from "../store/registry-paths.ts";
import { fetchDocs, fetchTarball } from "../upstream/hex.ts";
import type { Bringer } from "./bringer.ts";
import type { CurrentTools } from "./current.ts";
import type { Records } from "./records.ts";

export interface Releases {
  /** When all that has come has its place. */
  readonly settled: () => Promise<void>;
  /** @param file `jason-1.4.1.tar` @throws MirrorError `not_found`; `away` where upstream lists it and does not give it */
  readonly tarball: (file: string) => Promise<Located | undefined>;
  /** @param file `jason-1.4.1.tar.gz` @throws likewise */
  readonly docs: (file: string) => Promise<Located | undefined>;
}

export interface ReleasesTools extends CurrentTools {
  readonly bringer: Bringer;
  readonly records: Records;
  readonly ownNames: OwnNames;
  readonly documentation: Artifact<DocumentationJob>;
}

// How old a record may be that does not list what a client asks for. Seconds.
const maxAgeOfUnlisted = 10;

interface Named {
  readonly name: string;
  readonly version: string;
}

export function createReleases(source: HexSource, tools: ReleasesTools): Releases {
  const { paths: registry, upstream } = source;
  const { repository } = registry;
  const { bringer, records, ownNames, asking, documentation } = tools;
  const host = new URL(upstream.url).host;

  /** What has come and has no place yet, by the file's name. */
  const arriving = new Map<string, Buffer>();
  const under = new Set<Promise<void>>();

  const releaseOf = async ({ name, version }: Named): Promise<Release> => {
    const find = ({ value }: Awaited<ReturnType<Records["get"]>>) =>
      value.record.releases.find((each) => each.version === version);
    const listed = find(await records.get(name));
    if (listed !== undefined) return listed;
    const now = await records.get(name, maxAgeOfUnlisted);
    const release = find(now);
    if (release !== undefined) return release;
    if (now.isFresh) throw new MirrorError("not_found", `upstream lists no ${name} ${version}`);
    throw new MirrorError("away", `${name} ${version} is not held here, and ${host} cannot be asked for it just now`);
  };
  const demandsOf = async ({ name, version }: Named): Promise<readonly Demand[]> => {
    const job = packageJobs(await bringer.known()).find((each) => each.repository === repository && each.name === name);
    return job?.releases.find((each) => each.version === version)?.demands ?? [];
  };
  const bringTarball = async (file: string, named: Named, release: Release): Promise<Buffer> => {
    const { name } = named;
    const wanted = { name, record: release, demands: await demandsOf(named) };
    const bytes = await fetchTarball(bringer.http, upstream, wanted, transferOf(bringer));
    if (!bringer.keeps) return bytes;
    // It is verified, so whoever asked need not wait for its place.
    arriving.set(file, bytes);
    const landing = land(name, release, bytes)
      .catch((error: unknown) =>
        bringer.reporter.warn(
          `could not be kept: ${describeError(error)}`,
          releaseItem({ repository, name }, named.version),
        ),
      )
      .finally(() => {
        arriving.delete(file);
        under.delete(landing);
      });
    under.add(landing);
    return bytes;
  };
  const land = async (name: string, release: Release, bytes: Buffer): Promise<void> => {
    await records.placed(name);
    const held = await records.held(name);
    if (held === undefined) throw new MirrorError("busy", `the record of ${name} is gone just now; ask again`);
    await landTarball({ repository, name }, release, bytes, { source, held, tools: bringer });
  };
  const bringDocs = async ({ name, version }: Named): Promise<Buffer | undefined> => {
    if (!bringer.keeps) {
      const fetched = await fetchDocs(bringer.http, upstream, { name, version }, undefined, transferOf(bringer));
      if (typeof fetched !== "string") return fetched.bytes;
      throw new MirrorError("not_found", `${name} ${version} has no documentation`);
    }
    const job = { repository, name, version, demands: [] };
    const bringing = await documentation.bringing([job], bringer);
    for await (const outcome of bringing.bring(job)) requireBrought(outcome);
    return undefined;
  };

  return {
    settled: async () => void (await Promise.all(under)),
    tarball: async (file) => {
      const place = placeBelow(registry.tarballsDir, file);
      const named = parseTarballName(file);
      if (place === undefined || place.isFile() || named === undefined) return held(place);
      if ((await ownNames(registry, named.name)) !== undefined) return undefined;
      const release = await releaseOf(named);
      const work = async () => arriving.get(file) ?? bringTarball(file, named, release);
      const bytes = await asking.bring({ key: `tarball ${repository}/${file}`, host, work }).catch((error: unknown) => {
        throw isNotFound(error) ? cannotBeHad(file, host, error) : error;
      });
      // What follows is answered with the file.
      return { mark: bringer.keeps ? "miss" : "passed", content: { bytes }, since: Date.now(), until: 0 };
    },
    docs: async (file) => {
      const place = placeBelow(registry.docsDir, file);
      const named = parseDocsName(file);
      if (place === undefined || place.isFile() || named === undefined) return held(place);
      if ((await ownNames(registry, named.name)) !== undefined) return undefined;
      await releaseOf(named);
      const bytes = await asking.bring({ key: `docs ${repository}/${file}`, host, work: async () => bringDocs(named) });
      return brought(bytes === undefined ? { place } : { bytes });
    },
  };
}

/** What came just now, and does not change. */
export function brought(content: Located["content"]): Located {
  return { mark: "place" in content ? "miss" : "passed", content, since: Date.now(), until: Infinity };
}

/** @throws what it failed for */
export function requireBrought(outcome: Outcome): void {
  if ("error" in outcome) throw outcome.error;
  if (outcome.outcome === "none") throw new MirrorError("not_found", "upstream has none");
}

/** It is listed, so it is there; who looks for it must not hear that it is not. */
export function cannotBeHad(file: string, host: string, error: unknown): MirrorError {
  return new MirrorError(
    "away",
    `${file} is listed, and can be had neither here nor from ${host}: ${describeError(error)}`,
  );
}

export function isNotFound(error: unknown): boolean {
  return error instanceof MirrorError && error.code === "not_found";
}
