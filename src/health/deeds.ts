/** What came of the last run of git in each repository for a client: what no look at files can tell. */
import { repositoryState } from "../git/repository-state.ts";
import type { Place } from "../disk/place.ts";

export interface Deed {
  readonly place: Place;
  /** What git said. */
  readonly words: string;
  /** When that began. Milliseconds since 1970. */
  readonly since: number;
}

type Asked = "refs" | "pack";

export class Deeds {
  private readonly failures = new Map<string, Deed & { readonly asked: Asked; readonly state: string | undefined }>();

  failed(place: Place, asked: Asked, words: string): void {
    const state = stateOf(place);
    const before = this.failures.get(place.path);
    const since = before?.state === state ? before?.since : undefined;
    const said = words.split("\n")[0] ?? "";
    this.failures.set(place.path, { place, asked, words: said, since: since ?? Date.now(), state });
  }

  /** Refs that are listed say nothing of a pack that could not be made. */
  succeeded(place: Place, asked: Asked): void {
    if (asked === "pack" || this.failures.get(place.path)?.asked === "refs") this.failures.delete(place.path);
  }

  /** Those after which nothing of the repository has changed. */
  list(): Deed[] {
    for (const [path, { place, state }] of this.failures) {
      if (stateOf(place) !== state) this.failures.delete(path);
    }
    return [...this.failures.values()].map(({ place, words, since }) => ({ place, words, since }));
  }
}

function stateOf(place: Place): string | undefined {
  try {
    return repositoryState(place);
  } catch {
    return undefined;
  }
}
