/** Folders that were served and are gone: a disk that was unmounted, mostly. */
import type { Stats } from "node:fs";
import { isFilled } from "../disk/look-into.ts";
import type { Place } from "../disk/place.ts";
import type { Problem } from "./problem.ts";

// Whatever is pruned, the lists stay.
const neverEmpty = new Set(["mirror", "hex"]);

export class FolderWatch {
  private readonly folders: Readonly<Record<string, Place>>;
  /** As they were when something was last in them. */
  private readonly filled = new Map<string, string>();

  /** @param folders by the names that they have in a mirror */
  constructor(folders: Readonly<Record<string, Place>>) {
    this.folders = folders;
  }

  look(): Problem[] {
    return Object.entries(this.folders).flatMap(([name, place]) => {
      const stats = statsOf(place);
      const which = stats === undefined ? undefined : `${stats.dev} ${stats.ino}`;
      const before = this.filled.get(name);
      const hasContent = stats !== undefined && mayHaveContent(place);
      if (which !== undefined && hasContent) this.filled.set(name, which);
      // One that was emptied, and is the same, was emptied by somebody: by prune, where that takes the last of it.
      const isPruned = before === which && !neverEmpty.has(name);
      if (hasContent || before === undefined || isPruned) return [];
      const what = stats === undefined ? "is gone" : "is empty now";
      const text = `the folder ${name} was served and ${what}; is its disk still there?`;
      return [{ kind: "folder" as const, severity: "unhealthy" as const, subject: name, text }];
    });
  }
}

/** What cannot be read is no sign that anything has gone. */
function mayHaveContent(place: Place): boolean {
  try {
    return isFilled(place);
  } catch {
    return true;
  }
}

function statsOf(place: Place): Stats | undefined {
  try {
    const stats = place.look();
    return stats?.isDirectory() === true ? stats : undefined;
  } catch {
    // A link in its place is told as such.
    return undefined;
  }
}
