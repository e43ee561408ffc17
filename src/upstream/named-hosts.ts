/** Hosts that a lock, the configuration or `--allow-hosts` names: they may be asked whatever their address. */
import type { Config } from "../config.ts";
import type { Lock } from "../lock/entries.ts";
import { fileJobs } from "../plan/files.ts";
import { repositoryJobs, type GitPolicy } from "../plan/repositories.ts";
import { caseIgnoring, hexHosts } from "../names/known-hosts.ts";
import { hostOf } from "./redirect.ts";

export type NamingKey =
  "hexUrl" | "buildsUrl" | "upstream" | "repos" | "files" | "allowHosts" | "found" | keyof GitPolicy;

/** @param locks none where a lock has no say @returns lower case, without ports */
export function namedHosts(settings: Pick<Config, NamingKey>, locks: readonly Lock[]): ReadonlySet<string> {
  const { hexUrl, buildsUrl, upstream, repos, files, allowHosts, found } = settings;
  const listed = found.keys.has("files") && !found.isOfMirror ? [] : fileJobs(files).map(({ url }) => url);
  const urls = [
    hexUrl,
    buildsUrl,
    ...(upstream === undefined ? [] : [upstream]),
    ...repos.map(({ url }) => url),
    ...listed,
  ];
  const named = repositoryJobs(locks, settings).jobs.map(({ host }) => host);
  const hosts = [...named, ...allowHosts.map((host) => host.toLowerCase())];
  return new Set([...hosts, ...urls.map(hostOf).filter((host) => host !== undefined)]);
}

/** Hosts of which a server fetches what it is asked for: Hex's, the large forges, and what is named. */
export function pulledHosts(settings: Pick<Config, NamingKey>, locks: readonly Lock[]): readonly string[] {
  return [...new Set([...caseIgnoring, ...hexHosts, ...namedHosts(settings, locks)])];
}
