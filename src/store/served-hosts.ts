/**
 * Which hosts the mirror stands in for: Hex's own and github.com, and those that it holds repositories or files of.
 * Asked for each request, so answered from memory while nothing changes.
 */
import { readdirSync } from "node:fs";
import { stampThrough } from "../disk/stamp.ts";
import { isHostName } from "../names/git-url.ts";
import { github, hexHosts } from "../names/known-hosts.ts";
import { hostOfFolder, type StorePaths } from "./paths.ts";

const always = [github, ...hexHosts];

/**
 * @param pulled hosts of which something may be fetched when it is asked for
 * @returns a function that tells which hosts are served, in lower case; it sees what another process adds
 */
export function createServedHosts(paths: StorePaths, pulled: readonly string[] = []): () => ReadonlySet<string> {
  let seen = "";
  const from = [...always, ...pulled.filter(isHostName)];
  let hosts: ReadonlySet<string> = new Set(from);
  const folders = [paths.git, paths.filesDir];
  const look = (): void => {
    // By path: which hosts there are is no secret, and what lies below is looked at when it is asked for.
    const stamps = folders.map(({ path }) => stampThrough(path));
    if (stamps.join("\n") === seen) return;
    const entries = folders.flatMap((folder, index) =>
      stamps[index] === "" ? [] : readdirSync(folder.verifiedPath(), { withFileTypes: true }),
    );
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const found = names.map(hostOfFolder).filter((host) => host !== undefined);
    // Whatever else lies there is no host that a certificate could name.
    hosts = new Set([...from, ...found.filter(isHostName)]);
    seen = stamps.join("\n");
  };
  return () => {
    try {
      look();
    } catch {
      // A disk that fails for a moment must not fail the server: what was known before still holds.
    }
    return hosts;
  };
}

/** Once, for what does not go on asking. */
export function listServedHosts(paths: StorePaths): string[] {
  return [...createServedHosts(paths)()];
}
