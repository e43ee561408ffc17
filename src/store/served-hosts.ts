/** Which hosts the mirror holds something of. Asked for each request, so answered from memory while nothing changes. */
import { readdirSync, statSync } from "node:fs";
import type { StorePaths } from "./paths.ts";

/** @returns a function that tells whether a host, lower case, is served; it sees what another process adds */
export function createServedHosts(paths: StorePaths): { has: (host: string) => boolean; list: () => string[] } {
  let seen = Number.NaN;
  let hosts = new Set<string>();
  const current = (): Set<string> => {
    const changed = statSync(paths.gitDir, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changed !== seen) {
      seen = changed;
      const names = changed === 0 ? [] : readdirSync(paths.gitDir);
      // A first level without a dot is an owner of the old layout, which was github.com's.
      const found = names.filter((name) => !name.startsWith(".") && name.includes("."));
      hosts = new Set(["github.com", ...found.map((name) => name.replaceAll("%3A", ":").toLowerCase())]);
    }
    return hosts;
  };
  return { has: (host) => current().has(host), list: () => [...current()] };
}
