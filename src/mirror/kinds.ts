/** The kinds of things of one mirror, each with what it needs of the settings. */
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { createDocumentation } from "../artifacts/documentation.ts";
import { createFiles } from "../artifacts/files.ts";
import { createInstallers } from "../artifacts/installers.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { createPolicies } from "../artifacts/policies.ts";
import { createPackages } from "../artifacts/packages.ts";
import { createRepositories } from "../artifacts/repositories.ts";
import type { TakeTools } from "../artifacts/take-record.ts";
import type { Config } from "../config.ts";
import type { Targets } from "../names/platforms.ts";
import type { Context } from "../store/context.ts";
import { thisMachine } from "../this-machine.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import type { SigningKey } from "../registry/build.ts";
import { heldRecordsKey } from "../upstream/hex-repositories.ts";
import { installersKey } from "../upstream/installers.ts";

export interface KindTools {
  readonly gitEnvironments: () => Promise<GitEnvironments>;
}

/** Which git repositories may be fetched at all. */
export type GitPolicyKey = "allowLocalGit" | "allowHosts" | "allowOwners";

/** What of the settings says what is wanted, and how it is fetched. */
export type KindKey =
  | GitPolicyKey
  | SigningKey
  | "files"
  | "artefacts"
  | "targets"
  | "found"
  | "installers"
  | "buildsUrl"
  | "buildsPublicKey"
  | "acceptChanged"
  | "local"
  | "fromUpstream"
  | "upstream"
  | "maxItemSize"
  | "docs"
  | "policies"
  | "policy"
  | "usePolicy"
  | "gitRefs"
  | "gitShallow"
  | "lfs"
  | "name"
  | "port"
  | "tlsPort";

/** Made anew for each run: what is read once is as it was then. @throws MirrorError `config` */
export function openKinds(context: Context<KindKey>, { gitEnvironments }: KindTools): Kinds {
  const { paths, signal, config: settings } = context;
  const { acceptChanged, gitRefs, gitShallow, lfs, name, port, tlsPort } = settings;
  const ownPorts = [port, ...(tlsPort === undefined ? [] : [tlsPort])];
  return {
    packages: createPackages(paths, {
      acceptChanged,
      recordsKey: async (repository) => heldRecordsKey(context, repository),
      withdraw: createWithdraw(context),
      names: settings,
    }),
    documentation: createDocumentation(paths, settings.docs, settings),
    policies: createPolicies(paths, {
      settings,
      recordsKey: async (repository) => heldRecordsKey(context, repository),
      signingKey: async () => loadSigningKey(paths, settings.newKey),
    }),
    repositories: createRepositories(paths, {
      policy: settings,
      fetching: {
        refs: gitRefs,
        shallow: gitShallow,
        lfs,
        ownNames: ["app_deps", ...name],
        ownPorts,
        upstream: settings.upstream,
        maxItemSize: settings.maxItemSize,
      },
      gitEnvironments,
      signal,
    }),
    installers: createInstallers(paths, settings, async () => installersKey(settings)),
    files: createFiles(paths, { ...settings, targets: () => targetsOf(settings) }),
  };
}

/** Those that were named, or the machine that this runs on. */
export function targetsOf({ targets }: Pick<Config, "targets">): Targets {
  if (targets === "all" || targets.length > 0) return targets;
  return [thisMachine()];
}

/** One after the other: packages are landed beside each other, and the lists are one file each. */
export function createWithdraw(context: Context<KindKey>): TakeTools["withdraw"] {
  const one = pLimit(1);
  return async (places, remove) =>
    one(async () => {
      await withdraw(context, places);
      await remove();
    });
}

async function withdraw(context: Context<KindKey>, places: readonly Place[]): Promise<void> {
  const { buildAsOnlyWriter } = await import("../artifacts/with-records.ts");
  const { leftOut } = await buildAsOnlyWriter(context, { without: new Set(places.map(({ path }) => path)) });
  for (const { item, reason } of leftOut) context.reporter.note(`is left out of the registry: ${reason}`, item);
}

/** What a sync was once allowed to take is wanted, whatever this command is told. */
export function leniently<Key extends keyof Config>(context: Context<Key | KindKey>): Context<Key | KindKey> {
  return { ...context, config: { ...context.config, allowLocalGit: true, allowHosts: [], allowOwners: [] } };
}
