/** What was killed while it made or removed a git repository leaves it under a temporary name, below its host and owner. */
import type { Place } from "../disk/place.ts";

/** Repositories that somebody is just making stay. @throws MirrorError `storage` */
export async function removeHalves(git: Place): Promise<void> {
  for (const name of await git.list("folder")) {
    if (name.endsWith(".git")) continue;
    const folder = git.at(name);
    await folder.removeLeftovers();
    await removeHalves(folder);
    await folder.removeIfEmpty();
  }
}
