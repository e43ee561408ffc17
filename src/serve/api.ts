/** What the API tells of packages, from what is held: the signed records, and the newest tarball's own metadata. */
import type { Json } from "../hex/etf.ts";
import type { Metadata } from "../hex/metadata.ts";
import { isPackageName, isRepositoryName } from "../names/hex-names.ts";
import { compareVersions, isVersion } from "../names/versions.ts";
import { decodePackage, type Package, type Release } from "../hex/records.ts";
import { hexpm, servedName, signedName, sourceOf } from "../names/hex-repository.ts";
import { publishedAt, retirementOf } from "../hex/release-details.ts";
import { unwrap } from "../hex/signed.ts";
import { readTarball } from "../hex/tarball.ts";
import { MirrorError } from "../errors.ts";
import { readLocated, type Located, type Source } from "./source.ts";
import type { HeldPackage } from "../facts/shape.ts";
import { namedPackages } from "../facts/search.ts";
import type { ApiDependencies } from "./api-routes.ts";
import { listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";

const pageSize = 100;

/** @param held the packages that are held */
export function createApi(
  paths: StorePaths,
  source: Pick<Source, "registry">,
  held: () => Promise<readonly HeldPackage[]>,
): ApiDependencies {
  return {
    searchPackages: async (organisation, search, page) => {
      const served = organisation === hexpm ? undefined : organisation;
      const registry = (await listRegistries(paths)).find(({ repository }) => servedName(repository) === served);
      if (registry === undefined) return undefined;
      const own = (await held()).filter(({ repository }) => repository === registry.repository);
      const found = namedPackages(own, search.replace(/^name:/, "").replaceAll("*", ""));
      return found.slice((page - 1) * pageSize, page * pageSize).map((each) => listed(registry, each));
    },
    describePackage: async (organisation, name) => {
      const found = await findRecord({ paths, source }, organisation, name);
      if (found === undefined) return undefined;
      return { content: await describePackage(found.registry, found.record), from: found.located };
    },
    describeRelease: async (organisation, name, version) => {
      const found = isVersion(version) ? await findRecord({ paths, source }, organisation, name) : undefined;
      const release = found?.record.releases.find((candidate) => candidate.version === version);
      if (found === undefined || release === undefined) return undefined;
      return { content: await describeRelease(found.registry, found.record, release), from: found.located };
    },
  };
}

/** As hex.pm lists a package; what only hex.pm knows is unknown, and not none. */
function listed(registry: RegistryPaths, { name, description, licenses, releases }: HeldPackage): Json {
  const times = releases.map(({ published }) => published).filter((time) => time !== null);
  return {
    name,
    repository: signedName(registry.repository),
    url: `${apiPath(registry)}/packages/${name}`,
    inserted_at: times.toSorted()[0] ?? null,
    updated_at: times.toSorted().at(-1) ?? null,
    latest_version: releases[0]?.version ?? null,
    latest_stable_version: releases.find(({ version }) => !version.includes("-"))?.version ?? null,
    meta: { description, licenses, links: {}, maintainers: [] },
    releases: releases.map(({ version, has_docs: hasDocs, published }) => ({
      version,
      url: `${apiPath(registry)}/packages/${name}/releases/${version}`,
      has_docs: hasDocs,
      inserted_at: published,
    })),
    downloads: null,
    owners: null,
  };
}

async function findRecord(
  { paths, source }: { readonly paths: StorePaths; readonly source: Pick<Source, "registry"> },
  organisation: string | undefined,
  name: string,
): Promise<{ registry: RegistryPaths; record: Package; located: Located } | undefined> {
  if (!isPackageName(name) || (organisation !== undefined && !isRepositoryName(organisation))) return undefined;
  const served = organisation === hexpm ? undefined : organisation;
  const registry = (await listRegistries(paths)).find(({ repository }) => servedName(repository) === served);
  const room = served === undefined ? "" : `/repos/${served}`;
  const located = registry === undefined ? undefined : await locate(source, `${room}/packages/${name}`);
  const bytes = located === undefined ? undefined : await readLocated(located);
  if (registry === undefined || located === undefined || bytes === undefined) return undefined;
  const record = decodeHeld(bytes);
  // A record without releases stands for a package that we do not hold.
  return record.releases.length === 0 ? undefined : { registry, record, located };
}

/** What upstream does not have either is told in the format that was asked for. */
async function locate(source: Pick<Source, "registry">, path: string): Promise<Located | undefined> {
  return source.registry(path).catch((error: unknown) => {
    if (error instanceof MirrorError && error.code === "not_found") return undefined;
    throw error;
  });
}

/** @throws MirrorError `storage`: what is damaged here is no fault of whoever asks */
function decodeHeld(bytes: Buffer): Package {
  try {
    return decodePackage(unwrap(bytes).payload);
  } catch (cause) {
    throw new MirrorError("storage", "the mirror's own record is damaged", { cause });
  }
}

async function describePackage(registry: RegistryPaths, record: Package): Promise<Json> {
  const { name, repository, releases } = record;
  const newestFirst = [...releases].sort((a, b) => compareVersions(b.version, a.version));
  const newest = newestFirst[0];
  const stable = newestFirst.find(({ version }) => !version.includes("-"));
  const metadata = newest === undefined ? undefined : await readMetadataOf(registry, name, newest.version);
  const times = releases.map(publishedAt).filter((time) => time !== null);
  const retired = releases.filter((release) => release.retired !== undefined);
  return {
    name,
    repository,
    url: `${apiPath(registry)}/packages/${name}`,
    inserted_at: times.toSorted()[0] ?? null,
    updated_at: times.toSorted().at(-1) ?? null,
    latest_version: newest?.version ?? null,
    latest_stable_version: stable?.version ?? null,
    meta: {
      description: metadata?.about.description ?? null,
      licenses: metadata?.about.licenses ?? [],
      links: metadata?.about.links ?? {},
      maintainers: [],
    },
    configs: configsOf(registry, name, stable ?? newest, metadata),
    releases: newestFirst.map((release) => ({
      version: release.version,
      url: `${apiPath(registry)}/packages/${name}/releases/${release.version}`,
      has_docs: registry.docs(name, release.version).isFile(),
      inserted_at: publishedAt(release),
    })),
    retirements: Object.fromEntries(retired.map((release) => [release.version, retirementOf(release)])),
    // Only hex.pm knows them.
    downloads: null,
    owners: null,
  };
}

async function describeRelease(registry: RegistryPaths, record: Package, release: Release): Promise<Json> {
  const { name } = record;
  const metadata = await readMetadataOf(registry, name, release.version);
  return {
    version: release.version,
    url: `${apiPath(registry)}/packages/${name}/releases/${release.version}`,
    package_url: `${apiPath(registry)}/packages/${name}`,
    checksum: Buffer.from(release.outerChecksum).toString("hex"),
    has_docs: registry.docs(name, release.version).isFile(),
    inserted_at: publishedAt(release),
    updated_at: publishedAt(release),
    retirement: retirementOf(release),
    requirements: Object.fromEntries(
      release.dependencies.map(({ package: dependency, requirement, optional, app, repository }) => [
        dependency,
        { requirement, optional, app: app || dependency, repository: repository || record.repository },
      ]),
    ),
    meta: {
      app: metadata?.app ?? name,
      build_tools: metadata?.about.buildTools ?? [],
      elixir: metadata?.about.elixir ?? null,
    },
    configs: configsOf(registry, name, release, metadata),
    downloads: null,
    publisher: null,
  };
}

/** undefined for a tarball that is not there or damaged: the record tells enough. */
async function readMetadataOf(registry: RegistryPaths, name: string, version: string): Promise<Metadata | undefined> {
  try {
    const bytes = await registry.tarball(name, version).read();
    return bytes === undefined ? undefined : readTarball(bytes).metadata;
  } catch {
    return undefined;
  }
}

/** What to write into mix.exs, rebar.config and a Makefile. */
function configsOf(
  { repository }: RegistryPaths,
  name: string,
  release: Release | undefined,
  metadata: Metadata | undefined,
): Record<string, string> {
  if (release === undefined) return {};
  const { version } = release;
  const requirement = version.includes("-") ? version : version.replace(/^(\d+\.\d+)\..*$/, "$1");
  const app = metadata?.app ?? name;
  const options = [
    ...(app === name ? [] : [`hex: :${name}`]),
    ...(repository === hexpm
      ? []
      : [`${sourceOf(repository) === repository ? "repo" : "organization"}: "${signedName(repository)}"`]),
  ];
  const mix = [`:${app}`, `"~> ${requirement}"`, ...options].join(", ");
  return {
    "mix.exs": `{${mix}}`,
    "rebar.config": app === name ? `{${name}, "${version}"}` : `{${app}, "${version}", {pkg, ${name}}}`,
    "erlang.mk": app === name ? `dep_${name} = hex ${version}` : `dep_${app} = hex ${version} ${name}`,
  };
}

function apiPath({ repository }: RegistryPaths): string {
  const served = servedName(repository);
  return served === undefined ? "/api" : `/api/repos/${served}`;
}
