/** What came of the last run of git in each repository for a client: what no look at files can tell. */
import { repositoryState } from "../git/repository-state.ts";
import type { Place } from "../disk/place.ts";

export interface Deed {
  readonly place: Place;
  /** What git said. */
  readonly words: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export class Deeds {
  private readonly failures = new Map<string, Deed & { readonly state: string | undefined }>();

  failed(place: Place, words: string): void {
    const state = stateOf(place);
    this.failures.set(place.path, { place, words: words.split("\n")[0] ?? "", at: Date.now(), state });
  }

  succeeded(place: Place): void {
    this.failures.delete(place.path);
  }

  /** Those after which nothing of the repository has changed. */
  list(): Deed[] {
    for (const [path, { place, state }] of this.failures) {
      if (stateOf(place) !== state) this.failures.delete(path);
    }
    return [...this.failures.values()].map(({ place, words, at }) => ({ place, words, at }));
  }
}

function stateOf(place: Place): string | undefined {
  try {
    return repositoryState(place);
  } catch {
    return undefined;
  }
}
