/**
 * What `mix local.hex` and `mix local.rebar` download. Which installers there are, only upstream's lists tell, so a job is
 * a list with all that it names for those who are wanted. Files arrive before the list that names them; a list and its
 * signature are replaced together, and only when all that it should name is here.
 */
import type { KeyObject } from "node:crypto";
import type { AcceptedChange, InstallerTarget } from "../options.ts";
import { writeTogether } from "../disk/place.ts";
import { listFiles } from "../disk/walk.ts";
import { MirrorError } from "../errors.ts";
import { fetchInstaller, fetchInstallerList, isSignedList, sha512Of, type SignedList } from "../upstream/installers.ts";
import { lazy } from "../lazy.ts";
import {
  installerLists,
  isInstallerPath,
  replacedInstallers,
  wantedInstallers,
  type Installer,
  type InstallerList,
} from "../plan/installers.ts";
import { addAbsentLists, readAbsentLists } from "../store/absent-lists.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Artifact, BringTools, Checked, Held, Want } from "./artifact.ts";
import type { Item } from "../names/item.ts";
import { landFile } from "./land-file.ts";
import { transferOf, type Failed, type Outcome } from "../reporter.ts";
import { removeAll } from "./remove.ts";

export interface InstallerSettings {
  /** undefined: none are wanted; empty: those for every Elixir. */
  readonly installers: readonly InstallerTarget[] | undefined;
  readonly buildsUrl: string;
  /** Versions whose bytes may differ from what was listed before. */
  readonly acceptChanged: readonly AcceptedChange[];
}

export interface InstallerJob {
  readonly list: InstallerList;
  /** undefined: not here. */
  readonly held: SignedList | undefined;
  /** As the held list has them. */
  readonly installers: readonly Installer[];
}

/** @param readKey the key of the lists, where it is needed @throws MirrorError `config` */
export function createInstallers(
  paths: StorePaths,
  settings: InstallerSettings,
  readKey: () => Promise<KeyObject>,
): Artifact<InstallerJob> {
  const { installsDir } = paths;
  const heldJobs = lazy(async () => readHeldJobs(paths));
  const absent = lazy(async () => readAbsentLists(paths));
  const isHere = ({ path }: Installer) => installsDir.at(path).isFile();
  return {
    name: "installers",
    weight: 2,
    wanted: async (want) => ({ jobs: await wantedJobs(paths, settings.installers, want), refused: [] }),
    items: ({ list, installers }) => [
      { item: listItem(list), keys: [list.name], locks: [] },
      ...installers.map(({ path }) => ({ item: installerItem(path), keys: [path], locks: [] })),
    ],
    has: async ({ list, held, installers }) => [
      { item: listItem(list), isHeld: held !== undefined || (await absent()).has(list.name) },
      ...installers.map((installer) => ({ item: installerItem(installer.path), isHeld: isHere(installer) })),
    ],
    bringing: async (jobs, tools) => openBringing(paths, settings, jobs, await keyFor(jobs, readKey), tools),
    check: async function* (job) {
      yield await checkList(job, await absent(), readKey);
      for (const installer of job.installers) yield await checkInstaller(paths, job.list, installer);
    },
    list: async () => listHeld(paths),
    damageOf: async ({ key, places: [place] }) => {
      for (const { list, installers } of await heldJobs()) {
        const named = installers.find(({ path }) => path === key);
        const bytes = named === undefined ? undefined : await place?.read();
        if (bytes !== undefined && sha512Of(bytes) !== named?.sha512) {
          return `it is not the file that ${list.name} names`;
        }
      }
      return undefined;
    },
    remove: async (held) => removeAll(held, [installsDir]),
  };
}

function listItem({ name }: InstallerList): Item {
  return { kind: "installer-list", list: name };
}

function installerItem(path: string): Item {
  return { kind: "installer", path };
}

/** Read only where something is to be brought: a key that is not there stops nobody who wants no installers. */
async function keyFor(jobs: readonly InstallerJob[], readKey: () => Promise<KeyObject>) {
  return jobs.length === 0 ? undefined : readKey();
}

async function wantedJobs(
  paths: StorePaths,
  targets: readonly InstallerTarget[] | undefined,
  { withHeld = false }: Want,
): Promise<InstallerJob[]> {
  if (targets === undefined) return withHeld ? readHeldJobs(paths) : [];
  return Promise.all(
    installerLists.map(async (list) => {
      const held = await readHeldList(paths, list);
      return { list, held, installers: held === undefined ? [] : wantedIn(held, list, targets) };
    }),
  );
}

/** Of each list that is here, the installers that are here and that some Elixir would choose from it. */
async function readHeldJobs(paths: StorePaths): Promise<InstallerJob[]> {
  const jobs: InstallerJob[] = [];
  for (const list of installerLists) {
    const held = await readHeldList(paths, list);
    if (held === undefined) continue;
    const installers = wantedIn(held, list, "any").filter(({ path }) => paths.installsDir.at(path).isFile());
    jobs.push({ list, held, installers });
  }
  return jobs;
}

function wantedIn({ csv }: SignedList, list: InstallerList, targets: readonly InstallerTarget[] | "any") {
  return wantedInstallers(csv.toString("utf8"), list, targets);
}

async function readHeldList({ installsDir }: StorePaths, { name }: InstallerList): Promise<SignedList | undefined> {
  const csv = await installsDir.at(name).read();
  return csv === undefined ? undefined : { csv, signature: await installsDir.at(`${name}.signed`).read() };
}

async function openBringing(
  paths: StorePaths,
  settings: InstallerSettings,
  jobs: readonly InstallerJob[],
  key: KeyObject | undefined,
  tools: BringTools,
) {
  // By list, as it was last asked for: one that failed is asked for again.
  const asked = new Map<string, { readonly state: "absent" | "there" | "failed"; readonly wanted: number }>();
  const told = new Map<string, number>();
  /** Which installers there are is known once their list is here. */
  const expect = ({ list, installers }: InstallerJob, count: number) => {
    tools.reporter.begin(count - (told.get(list.name) ?? installers.length));
    told.set(list.name, count);
  };
  return {
    bring: async function* (job: InstallerJob): AsyncIterable<Outcome> {
      const item = listItem(job.list);
      let fresh: SignedList | undefined;
      try {
        fresh = key === undefined ? undefined : await fetchList(job, settings, key, tools);
      } catch (error) {
        asked.set(job.list.name, { state: "failed", wanted: 0 });
        expect(job, 0);
        yield { item, error };
        return;
      }
      const installers = fresh === undefined ? [] : wantedIn(fresh, job.list, settings.installers ?? []);
      expect(job, installers.length);
      asked.set(job.list.name, { state: fresh === undefined ? "absent" : "there", wanted: installers.length });
      if (fresh === undefined) {
        yield { item, outcome: "none", bytes: 0 };
        return;
      }
      let isWhole = true;
      for (const installer of installers) {
        if (tools.signal.aborted) return;
        const outcome = await bringInstaller(paths, installer, settings.buildsUrl, tools);
        if ("error" in outcome) isWhole = false;
        yield outcome;
      }
      if (isWhole) yield await landList(paths, job, fresh, installers, tools);
      else yield { item, error: new MirrorError("incomplete", "stays as it was, since not all that it names is here") };
    },
    finish: async (): Promise<Failed[]> => {
      const states = [...asked.values()];
      const known = [...asked].flatMap(([name, { state }]) => (state === "failed" ? [] : [[name, state] as const]));
      if (jobs.length > 0) await tools.land(async () => addAbsentLists(paths, new Map(known)));
      // What failed has been told by its own name.
      const isFine = states.some(({ state, wanted }) => state === "failed" || wanted > 0);
      if (jobs.length === 0 || isFine || tools.signal.aborted) return [];
      const why = states.every(({ state }) => state === "absent")
        ? "upstream has no list of installers"
        : "no list has an installer for that Elixir and OTP";
      return [{ item: { kind: "all", of: "installers" }, error: new MirrorError("not_found", why) }];
    },
  };
}

/** @returns undefined when upstream has none @throws MirrorError */
async function fetchList(
  { list, held }: InstallerJob,
  { buildsUrl, acceptChanged }: InstallerSettings,
  key: KeyObject,
  tools: BringTools,
): Promise<SignedList | undefined> {
  const url = `${buildsUrl}/installs/${list.name}`;
  // What was signed once does not become unsigned because somebody keeps the signature back.
  const mustBeSigned = !list.hasOtp || held?.signature !== undefined;
  const fresh = await fetchInstallerList(tools.http, url, key, { mustBeSigned }, transferOf(tools));
  if (fresh === undefined) return undefined;
  if (fresh.signature === undefined && url.startsWith("http:")) {
    const why = "is not signed, and came over http, where anybody on the way can change it";
    throw new MirrorError("integrity", `${url} ${why}; give an https URL with --builds-url`);
  }
  const isAccepted = (version: string) =>
    acceptChanged.some((each) => each.name === list.program && each.version === version);
  const before = held?.csv.toString("utf8") ?? "";
  const replaced = replacedInstallers(before, fresh.csv.toString("utf8"), list);
  const refused = replaced.find(({ version }) => !isAccepted(version));
  if (refused === undefined) return fresh;
  throw new MirrorError(
    "integrity",
    `${list.name} gives ${refused.path} other bytes than before, under the same version; to take them, ` +
      `--accept-changed ${list.program}@${refused.version}`,
  );
}

async function bringInstaller(
  { installsDir }: StorePaths,
  installer: Installer,
  buildsUrl: string,
  tools: BringTools,
): Promise<Outcome> {
  const item = installerItem(installer.path);
  try {
    const file = installsDir.at(installer.path);
    const held = await file.read();
    if (held !== undefined && sha512Of(held) === installer.sha512) return { item, outcome: "unchanged", bytes: 0 };
    const bytes = await fetchInstaller(tools.http, `${buildsUrl}/installs`, installer, transferOf(tools));
    await landFile(tools.land, file, bytes);
    return { item, outcome: held === undefined ? "added" : "updated", bytes: bytes.length };
  } catch (error) {
    return { item, error };
  }
}

async function landList(
  { installsDir }: StorePaths,
  { list, held }: InstallerJob,
  { csv, signature }: SignedList,
  installers: readonly Installer[],
  { land }: BringTools,
): Promise<Outcome> {
  const item = listItem(list);
  const pair = [
    { place: installsDir.at(list.name), content: csv },
    ...(signature === undefined ? [] : [{ place: installsDir.at(`${list.name}.signed`), content: signature }]),
  ];
  try {
    const isSame = await Promise.all(pair.map(({ place, content }) => place.contains(content)));
    const isWhole = () => installers.every(({ path }) => installsDir.at(path).isFile());
    if (isSame.every(Boolean) && isWhole()) return { item, outcome: "unchanged", bytes: 0 };
    await land(async () => {
      if (!isWhole()) throw new MirrorError("busy", "another process has taken away what it names; sync again");
      await writeTogether(pair);
    });
    return { item, outcome: held === undefined ? "added" : "updated", bytes: csv.length };
  } catch (error) {
    return { item, error };
  }
}

async function checkList(
  { list, held }: InstallerJob,
  absent: ReadonlySet<string>,
  readKey: () => Promise<KeyObject>,
): Promise<Checked> {
  const item = listItem(list);
  if (held === undefined) {
    const isAbsent = absent.has(list.name);
    return { item, problems: isAbsent ? [] : [{ state: "missing", reason: "the list is not here" }] };
  }
  const isFine = held.signature === undefined ? list.hasOtp : isSignedList(held, await readKey());
  const reason = "it is not signed by the expected key; if it is signed by another, give that with --builds-public-key";
  return { item, problems: isFine ? [] : [{ state: "damaged", reason }] };
}

async function checkInstaller(
  { installsDir }: StorePaths,
  list: InstallerList,
  { path, sha512 }: Installer,
): Promise<Checked> {
  const item = installerItem(path);
  const bytes = await installsDir.at(path).read();
  if (bytes === undefined) return { item, problems: [{ state: "missing", reason: "the installer is not here" }] };
  const isNamed = sha512Of(bytes) === sha512;
  const reason = `it is not the file that ${list.name} names`;
  return { item, problems: isNamed ? [] : [{ state: "damaged", reason }] };
}

/** What has a name that we would write; a list goes with its signature. */
async function listHeld({ installsDir }: StorePaths): Promise<Held[]> {
  const files = await listFiles(installsDir);
  const lists = installerLists.filter(({ name }) => files.includes(name) || files.includes(`${name}.signed`));
  return [
    ...lists.map((list) => ({
      item: listItem(list),
      key: list.name,
      places: [installsDir.at(list.name), installsDir.at(`${list.name}.signed`)],
    })),
    ...files
      .filter(isInstallerPath)
      .map((path) => ({ item: installerItem(path), key: path, places: [installsDir.at(path)] })),
  ];
}
