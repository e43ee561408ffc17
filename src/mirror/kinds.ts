/** The kinds of things of one mirror, each with what it needs of the settings. */
import pLimit from "p-limit";
import type { Place } from "../disk/place.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { createDocumentation } from "../artifacts/documentation.ts";
import { createFiles } from "../artifacts/files.ts";
import { createInstallers } from "../artifacts/installers.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { createPackages } from "../artifacts/packages.ts";
import { createRepositories } from "../artifacts/repositories.ts";
import type { Config } from "../config.ts";
import { mixPublicKey, readPublicKey } from "../hex/keys.ts";
import { readKeyFile, type Context } from "../store/context.ts";
import type { SigningKey } from "../registry/build.ts";
import { heldRecordsKey } from "../upstream/hex-repositories.ts";

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
  | "found"
  | "installers"
  | "buildsUrl"
  | "buildsPublicKey"
  | "acceptChanged"
  | "docs"
  | "gitRefs"
  | "gitShallow"
  | "name"
  | "port"
  | "tlsPort";

/** Made anew for each run: what is read once is as it was then. @throws MirrorError `config` */
export function openKinds(context: Context<KindKey>, { gitEnvironments }: KindTools): Kinds {
  const { paths, signal, config: settings } = context;
  const one = pLimit(1);
  const { acceptChanged, gitRefs, gitShallow, name, port, tlsPort } = settings;
  const ownPorts = [port, ...(tlsPort === undefined ? [] : [tlsPort])];
  return {
    packages: createPackages(paths, {
      acceptChanged,
      recordsKey: async (repository) => heldRecordsKey(context, repository),
      // Packages are landed beside each other, and the lists are one file each.
      withdraw: async (places, remove) =>
        one(async () => {
          await withdraw(context, places);
          await remove();
        }),
    }),
    documentation: createDocumentation(paths, settings.docs),
    repositories: createRepositories(paths, {
      policy: settings,
      fetching: { refs: gitRefs, shallow: gitShallow, ownNames: ["app_deps", ...name], ownPorts },
      gitEnvironments,
      signal,
    }),
    installers: createInstallers(paths, settings, async () => readInstallersKey(settings)),
    files: createFiles(paths, settings),
  };
}

async function withdraw(context: Context<KindKey>, places: readonly Place[]): Promise<void> {
  const { buildAsOnlyWriter } = await import("../artifacts/with-records.ts");
  const { leftOut } = await buildAsOnlyWriter(context, { without: new Set(places.map(({ path }) => path)) });
  for (const { item, reason } of leftOut) context.reporter.note(`is left out of the registry: ${reason}`, item);
}

async function readInstallersKey({ buildsPublicKey: file }: Pick<Config, "buildsPublicKey">) {
  return file === undefined ? readPublicKey(mixPublicKey, "Mix's key") : readKeyFile(file, "--builds-public-key");
}

/** What a sync was once allowed to take is wanted, whatever this command is told. */
export function leniently<Key extends keyof Config>(context: Context<Key | KindKey>): Context<Key | KindKey> {
  return { ...context, config: { ...context.config, allowLocalGit: true, allowHosts: [], allowOwners: [] } };
}
