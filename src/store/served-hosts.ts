/** Which hosts the mirror holds something of. Asked for each request, so answered from memory while nothing changes. */
import { readdirSync, statSync } from "node:fs";
import { hostOfFolder, type StorePaths } from "./paths.ts";

/** @returns a function that tells whether a host, lower case, is served; it sees what another process adds */
export function createServedHosts(paths: StorePaths): { has: (host: string) => boolean; list: () => string[] } {
  let seen = Number.NaN;
  let hosts = new Set(["github.com"]);
  const look = (): void => {
    const changed = statSync(paths.gitDir, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changed === seen) return;
    const names = changed === 0 ? [] : readdirSync(paths.gitDir);
    const found = names.map(hostOfFolder).filter((host) => host !== undefined);
    hosts = new Set(["github.com", ...found]);
    seen = changed;
  };
  const current = (): Set<string> => {
    try {
      look();
    } catch {
      // A disk that fails for a moment must not fail the server: what was known before still holds.
    }
    return hosts;
  };
  return { has: (host) => current().has(host), list: () => [...current()] };
}
