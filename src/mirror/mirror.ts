/**
 * The composition root: one mirror, and what can be done with it. Order of the wiring:
 * 1 paths from the configuration; 2 the context that every job shares; 3 git's environments, made on first use;
 * 4 the jobs. Those that bring in a large library, for HTTP or for records, are loaded when they are asked for.
 */
import { setMaxListeners } from "node:events";
import { revertedVariables, usersEnvironment, type Change } from "../clients/variables.ts";
import type { Config } from "../config.ts";
import { createGitEnvironments, type GitEnvironments } from "../git/environment.ts";
import { isTracked } from "../git/tracked.ts";
import { noSettings, readUsersGit } from "../git/users-settings.ts";
import type { Lock } from "../lock/entries.ts";
import type { Logger } from "pino";
import { readKnownLocks } from "../store/known-locks.ts";
import { lockNames } from "../store/lock-origins.ts";
import { StorePaths } from "../store/paths.ts";
import type { BuildOptions, BuildResult } from "../registry/build.ts";
import type { NamedFile } from "./package-files.ts";
import type { AddOptions, AddResult } from "./add.ts";
import type { RemovedRelease, RemoveResult } from "./remove.ts";
import {
  exportCertificates,
  renewCertificates,
  writeExported,
  type ExportedCertificates,
  type RenewedCertificates,
} from "./certificates.ts";
import { requireMirror, tellForeign } from "../store/context.ts";
import type { VerifyResult } from "./findings.ts";
import { complete, makeKnown } from "./complete.ts";
import { examine, type Examined } from "./examine.ts";
import { init, type InitResult } from "./init.ts";
import { leniently, openKinds } from "./kinds.ts";
import { list, type ListedItem } from "./list.ts";
import { previewSync, type SyncPreview } from "./preview.ts";
import { prune, type PruneOptions, type PruneResult } from "./prune.ts";
import { loggingReporter } from "./logging-reporter.ts";
import type { Reporter } from "../reporter.ts";
import type { Activity } from "../serve/activity.ts";
import type { Serving } from "./serve.ts";
import { pulledHosts } from "../upstream/named-hosts.ts";
import { pullMode } from "../store/pull-mode.ts";
import type { Item } from "../names/item.ts";
import { status, type Status } from "./status.ts";
import { withoutReleases } from "./without-releases.ts";
import type { Published } from "./publish.ts";
import type { PackResult } from "./pack.ts";
import type { UnpackResult } from "./unpack.ts";
import { isUpToDate } from "./up-to-date.ts";
import type { SyncResult } from "./sync.ts";
import { tellTrustProblems } from "../store/trust.ts";
import type { VerifyOptions } from "./verify.ts";
import type { WatchedLocks } from "./watch.ts";
import { variables, withClients, type Use, type UseTools } from "./use.ts";
import { why, type Reason } from "./why.ts";
import { onSameDisk } from "../store/same-disk.ts";
import { tellWeakKey } from "../store/weak-key.ts";

export interface Mirror {
  readonly sync: (locks: readonly Lock[]) => Promise<SyncResult>;
  readonly previewSync: (locks: readonly Lock[]) => Promise<SyncPreview>;
  /** Whether the locks are as they were, and all that they name is here. */
  readonly isUpToDate: (locks: readonly Lock[]) => Promise<boolean>;
  readonly build: (options: Pick<BuildOptions, "adopt" | "dryRun">) => Promise<BuildResult>;
  readonly add: (files: readonly NamedFile[], options: AddOptions) => Promise<AddResult>;
  readonly remove: (releases: readonly RemovedRelease[]) => Promise<RemoveResult>;
  readonly verify: (locks: readonly Lock[], options: VerifyOptions) => Promise<VerifyResult>;
  readonly prune: (options: PruneOptions) => Promise<PruneResult>;
  /** As an OCI image. @param target absolute */
  readonly pack: (target: { readonly out: string; readonly isArchive: boolean }) => Promise<PackResult>;
  /** The mirror of an image, in the place of this one. @param path absolute */
  readonly unpack: (path: string) => Promise<UnpackResult>;
  /** Its Hex tree, to object storage. */
  readonly publish: () => Promise<Published>;
  /** Looks at all of the mirror of an image. @param path absolute */
  readonly verifyImage: (path: string) => Promise<VerifyResult>;
  readonly status: () => Promise<Status>;
  /** What is held, thing by thing. */
  readonly list: () => Promise<ListedItem[]>;
  /** Why what has that name is held. */
  readonly why: (name: string) => Promise<Reason[]>;
  readonly init: (folder: string, locks: readonly Lock[]) => Promise<InitResult>;
  /**
   * What points clients at the server that the configuration describes, or what takes that back.
   * @param locks of the project that they work on
   */
  readonly clientVariables: (locks: readonly Lock[], revert: boolean) => Promise<Change>;
  /** Runs `work` with what makes clients use this mirror; it is served meanwhile where it was not. */
  readonly withClients: <T>(locks: readonly Lock[], log: UseTools["log"], work: (use: Use) => Promise<T>) => Promise<T>;
  /**
   * Which of these packages of hexpm's have a record here and no release: it stands for an optional dependency of something
   * else, and a client that wants it finds nothing and is not told why.
   */
  readonly withoutReleases: (names: readonly string[]) => Promise<string[]>;
  /** What stands in the way on this machine. */
  readonly examine: (locks: readonly Lock[]) => Promise<Examined>;
  /** Makes the locks known, where this mirror fetches what it is asked for. */
  readonly makeKnown: (locks: readonly Lock[]) => Promise<void>;
  /** Likewise, with what they name. @returns what of it is not here then */
  readonly complete: (locks: readonly Lock[]) => Promise<readonly Item[]>;
  readonly renewCertificates: (options: { readonly newCa: boolean }) => Promise<RenewedCertificates>;
  /** What a replica shows. @param dir where it is written to, absolute; undefined: nowhere */
  readonly exportCertificates: (dir: string | undefined) => Promise<ExportedCertificates>;
  /** @param watched locks that are synced when they change */
  readonly serve: (logger: Logger, watched?: WatchedLocks) => Promise<Serving>;
  /** Under which name it knows the lock at each path of this machine. */
  readonly lockNames: () => Promise<ReadonlyMap<string, string>>;
  /** The locks that were synced before. */
  readonly knownLocks: () => Promise<Lock[]>;
  /** Removes what lies outside the mirror's folder for as long as the program runs. */
  readonly close: () => Promise<void>;
}

export interface MirrorTools {
  /** Of the program as it was started: what git and other clients are given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly reporter: Reporter;
  /** Aborted when the program is asked to stop. */
  readonly signal: AbortSignal;
}

export function openMirror(config: Config, { environment, reporter, signal }: MirrorTools): Mirror {
  // Each transfer listens to it while it lasts, as many at once as there are: that is no leak.
  setMaxListeners(0, signal);
  const paths = new StorePaths(config);
  const context = { config, paths, reporter, signal };
  let environments: Promise<GitEnvironments> | undefined;
  const gitEnvironments = () => (environments ??= createGitEnvironments(usersEnvironment(environment), config.cwd));
  const where = { env: usersEnvironment(environment), cwd: config.cwd };
  // Without git there are no settings of git's either.
  const client = async (locks: readonly Lock[]) => ({
    environment,
    locks,
    git: await readUsersGit(where).catch(() => noSettings),
    readsOursFirst: async () => (await gitEnvironments()).features.systemFile,
    isTracked: (path: string) => isTracked(path, gitEnvironments),
  });
  const tools = { gitEnvironments };
  // Made anew for each job: what is read once is as it was then.
  const kinds = () => openKinds(context, tools);
  const mode = async () => pullMode(context, async (path) => isTracked(path, gitEnvironments));
  const lenientKinds = () => openKinds(leniently(context), tools);
  return {
    sync: async (locks) => {
      await tellWeakKey(context, gitEnvironments);
      const { sync } = await import("./sync.ts");
      return onSameDisk(paths, () => sync(context, kinds, locks, tools));
    },
    previewSync: async (locks) => previewSync(context, kinds(), locks),
    isUpToDate: async (locks) => isUpToDate(context, kinds(), locks),
    build: async (options) => {
      await requireMirror(context);
      await tellWeakKey(context, gitEnvironments);
      const { build } = await import("../artifacts/with-records.ts");
      return onSameDisk(paths, () => build(context, options));
    },
    add: async (files, options) => {
      await tellWeakKey(context, gitEnvironments);
      const { add } = await import("./own-packages.ts");
      return onSameDisk(paths, () => add(context, files, options));
    },
    remove: async (releases) => {
      const { remove } = await import("./own-packages.ts");
      return onSameDisk(paths, () => remove(context, releases));
    },
    verify: async (locks, options) => (await import("./verify.ts")).verify(context, kinds, locks, options),
    prune: async (options) => onSameDisk(paths, () => prune(context, lenientKinds, options)),
    pack: async (target) => {
      const { pack } = await import("./beyond.ts");
      return onSameDisk(paths, () => pack(context, target, gitEnvironments));
    },
    unpack: async (path) => (await import("./beyond.ts")).unpack(context, path, gitEnvironments),
    verifyImage: async (path) => (await import("./beyond.ts")).verifyImage(context, path, gitEnvironments),
    publish: async () => (await import("./beyond.ts")).publish(context),
    status: async () => {
      await tellWeakKey(context, gitEnvironments);
      return status(context, lenientKinds(), tools);
    },
    list: async () => list(context, lenientKinds()),
    why: async (name) => why(context, lenientKinds(), name),
    init: async (folder, locks) => init(context, folder, locks, gitEnvironments),
    clientVariables: async (locks, revert) =>
      revert ? revertedVariables(environment) : variables(context, await client(locks)),
    withClients: async (locks, log, work) =>
      withClients(context, { ...(await client(locks)), gitEnvironments, log }, work),
    withoutReleases: async (names) => withoutReleases(paths, names),
    examine: async (locks) => examine(context, await client(locks), gitEnvironments),
    makeKnown: async (locks) => {
      if ((await mode()).pulls) await makeKnown(context, locks);
    },
    complete: async (locks) => {
      // As a server that pulls has it: hosts that are named come to those that are asked anyway.
      const { allowHosts } = config;
      const allowed = allowHosts.length === 0 ? [] : [...allowHosts, ...pulledHosts(config, [])];
      const pulling = { ...context, config: { ...config, allowHosts: allowed } };
      return complete(pulling, () => openKinds(pulling, tools), locks, { ...tools, mode: await mode() });
    },
    renewCertificates: async (options) => renewCertificates(context, options, gitEnvironments),
    exportCertificates: async (dir) => {
      const exported = await exportCertificates(context, gitEnvironments);
      if (dir !== undefined) await writeExported(dir, exported);
      return exported;
    },
    serve: async (logger, watched) => {
      const logged = { ...context, reporter: loggingReporter(logger) };
      // Meanwhile, since both take their time; what goes wrong is told when it is waited for.
      const serving = import("./serve.ts");
      serving.catch(() => undefined);
      gitEnvironments().catch(() => undefined);
      await tellForeign(logged);
      await tellTrustProblems(logged);
      await tellWeakKey(logged, gitEnvironments);
      const startWatching = async (activity: Activity) => {
        if (watched === undefined) return undefined;
        const [{ watchLocks }, { sync }] = await Promise.all([import("./watch.ts"), import("./sync.ts")]);
        const kindsNow = () => openKinds(logged, tools);
        return watchLocks(watched, {
          logger,
          isUpToDate: async (locks) => isUpToDate(logged, kindsNow(), locks),
          sync: async (locks) => {
            const names = locks.map(({ name }) => name).join(", ");
            return activity.during(`sync of ${names}`, logged.reporter, async (reporter) =>
              onSameDisk(paths, () => sync({ ...logged, reporter }, kindsNow, locks, tools)),
            );
          },
        });
      };
      return (await serving).serve(context, { logger, gitEnvironments, isAnnounced: true, startWatching });
    },
    lockNames: () => lockNames(paths),
    knownLocks: () => readKnownLocks(paths),
    close: async () => (await environments?.catch(() => undefined))?.remove(),
  };
}
