/**
 * The documentation of releases, for `mix hex.docs`. No record and no lock has a checksum of it, and upstream replaces it
 * now and then; many releases have none, which is remembered with upstream's validators.
 */
import { describeError } from "../errors.ts";
import type { OwnNamesSettings } from "../registry/own-names.ts";
import { lazy, lazyBy } from "../lazy.ts";
import { packageJobs, type Demand } from "../plan/packages.ts";
import { listDocs, listRegistries } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { docsKey, forgetValidators, readValidators } from "../store/validators.ts";
import type { Artifact, BringTools, WantedItem } from "./artifact.ts";
import type { Item } from "../names/item.ts";
import { landFile } from "./land-file.ts";
import { transferOf, type Outcome } from "../reporter.ts";
import { removeAll } from "./remove.ts";

export interface DocumentationJob {
  readonly repository: string;
  readonly name: string;
  readonly version: string;
  readonly demands: readonly Demand[];
}

/** @param isWanted whether documentation is asked for @param names which are never asked of upstream */
export function createDocumentation(
  paths: StorePaths,
  isWanted: boolean,
  names: OwnNamesSettings,
): Artifact<DocumentationJob> {
  const ownNames = lazy(async () => (await import("./with-records.ts")).createOwnNames(paths, names));
  const isOwn = async ({ repository, name }: DocumentationJob) =>
    (await (await ownNames())(paths.registry(repository), name)) !== undefined;
  const fileOf = ({ repository, name, version }: DocumentationJob) => paths.registry(repository).docs(name, version);
  const validators = lazyBy(async (repository: string) => readValidators(paths.registry(repository)));
  const isAbsent = async (job: DocumentationJob) =>
    (await validators(job.repository)).get(docsKey(job))?.absent === true;
  return {
    name: "documentation",
    weight: 1,
    wanted: async ({ locks, withHeld = false }) => {
      const jobs = isWanted || withHeld ? releasesOf(locks) : [];
      return { jobs: isWanted ? jobs : jobs.filter((job) => fileOf(job).isFile()), refused: [] };
    },
    items: (job): WantedItem[] => [
      { item: itemOf(job), keys: [fileOf(job).path], locks: job.demands.map(({ lock }) => lock) },
    ],
    has: async (job) => [
      { item: itemOf(job), isHeld: fileOf(job).isFile() || (await isAbsent(job)) || (await isOwn(job)) },
    ],
    bringing: async (_jobs, tools) => ({
      bring: async function* (job) {
        // What is this mirror's own has the documentation that it came with, or none.
        if (await isOwn(job)) {
          const outcome = fileOf(job).isFile() ? "unchanged" : "none";
          yield { item: itemOf(job), outcome, bytes: 0 };
        } else yield await bringDocs(job, tools);
      },
      finish: async () => [],
    }),
    check: async function* (job) {
      const item = itemOf(job);
      const asking = { lock: job.demands[0]?.lock ?? "", app: job.demands[0]?.app ?? "" };
      if (fileOf(job).isFile()) {
        const reason = await damageIn(paths.registry(job.repository), job);
        yield { item, problems: reason === undefined ? [] : [{ state: "damaged", reason, ...asking }] };
      } else if (!(await isAbsent(job)) && !(await isOwn(job))) {
        yield { item, problems: [{ state: "missing", reason: "it is not here", ...asking }] };
      }
    },
    list: async () => {
      const registries = await listRegistries(paths);
      const lists = registries.map(async (registry) =>
        (await listDocs(registry)).map(({ name, version, place }) => ({
          item: itemOf({ repository: registry.repository, name, version }),
          key: place.path,
          places: [place],
        })),
      );
      return (await Promise.all(lists)).flat();
    },
    damageOf: async ({ item }) =>
      item.kind === "documentation" ? damageIn(paths.registry(item.repository), item) : undefined,
    remove: async (held) => {
      await removeAll(held, [paths.reposDir]);
      for (const registry of await listRegistries(paths)) await forgetValidators(registry);
    },
  };
}

function itemOf({ repository, name, version }: Pick<DocumentationJob, "repository" | "name" | "version">): Item {
  return { kind: "documentation", repository, name, version };
}

function releasesOf(locks: Parameters<typeof packageJobs>[0]): DocumentationJob[] {
  return packageJobs(locks).flatMap(({ repository, name, releases }) =>
    releases.map(({ version, demands }) => ({ repository, name, version, demands })),
  );
}

async function bringDocs(job: DocumentationJob, tools: BringTools): Promise<Outcome> {
  const item = itemOf(job);
  const key = docsKey(job);
  try {
    const { fetchDocs } = await import("./with-records.ts");
    const { paths, upstream, validators, learned } = await tools.hex.open(job.repository);
    const file = paths.docs(job.name, job.version);
    const isHere = file.isFile();
    const validator = isHere ? validators.get(key) : undefined;
    const fetched = await fetchDocs(tools.http, upstream, job, validator, transferOf(tools));
    if (fetched === "none" && !isHere) learned.set(key, { absent: true });
    if (fetched === "none" || fetched === "unchanged") {
      return { item, outcome: isHere ? "unchanged" : "none", bytes: 0 };
    }
    const isNew = !(await file.contains(fetched.bytes));
    if (isNew) await landFile(tools.land, file, fetched.bytes);
    learned.set(key, fetched.validator);
    const outcome = isNew ? (isHere ? "updated" : "added") : "unchanged";
    return { item, outcome, bytes: fetched.bytes.length };
  } catch (error) {
    return { item, error };
  }
}

async function damageIn(
  registry: RegistryPaths,
  { name, version }: { readonly name: string; readonly version: string },
): Promise<string | undefined> {
  const place = registry.docs(name, version);
  if (!place.isFile()) return "it is no regular file";
  // What cannot be read now is no damage.
  const bytes = (await place.read()) ?? Buffer.alloc(0);
  const { unpacks } = await import("./with-records.ts");
  try {
    await unpacks(bytes);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}
