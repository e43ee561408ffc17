/**
 * One kind of thing that a mirror consists of: files, installers, documentation, policies, packages, git repositories. What a
 * mirror can do is a loop over these (kinds.ts):
 *
 *   sync          bring what is wanted
 *   --dry-run     wanted, and not had
 *   --if-changed  all had
 *   verify        check what is wanted; --deep: look for damage in what is listed
 *   prune         remove what is listed and not wanted
 *   status        what is listed
 *
 * Everything is told by `Item`s, one by one: what is wrong with one is said of that one, and stops no other.
 */
import type { Upstreams } from "../upstream/upstreams.ts";
import type { GitEnvironments } from "../git/environment.ts";
import type { Lock } from "../lock/entries.ts";
import type { Place } from "../disk/place.ts";
import type { HexSources } from "./hex-sources.ts";
import type { Item, KindName } from "../names/item.ts";
import type { Failed, Outcome, Reporter } from "../reporter.ts";
import type { Land } from "./land-file.ts";

export interface Artifact<Job> {
  readonly name: KindName;
  /** How many downloads the work on one is worth: git is several processes, and unpacking needs processors. */
  readonly weight: 1 | 2 | 4 | 8;
  /** Whether what is wanted is read from what other kinds bring: then it is looked for when these have come. */
  readonly isReadFromOthers?: boolean;
  /** What should be here, without asking anybody outside. */
  readonly wanted: (want: Want) => Promise<Wanted<Job>>;
  /** What a job is for. */
  readonly items: (job: Job) => readonly WantedItem[];
  /** Whether each is here: by name, so it may be asked for thousands. */
  readonly has: (job: Job) => Promise<readonly Look[]>;
  /** What of a job that is here is not, although its name is: a look that costs a process. Absent: nothing can be. */
  readonly lacks?: (job: Job) => Promise<readonly Item[]>;
  /** Makes ready to bring. @throws MirrorError `config` for what a person has to set right before anything is fetched */
  readonly bringing: (jobs: readonly Job[], tools: BringTools) => Promise<Bringing<Job>>;
  /** Reads and hashes what is here of it, item by item. */
  readonly check: (job: Job) => AsyncIterable<Checked>;
  /** Everything of this kind that is here, wanted or not. */
  readonly list: () => Promise<readonly Held[]>;
  /** What is wrong with one that is here, whoever wants it. @throws MirrorError for what cannot be read or told now */
  readonly damageOf: (held: Held) => Promise<string | undefined>;
  /**
   * Keeps others from working on one that is here. @returns what lets them; undefined while somebody does. Absent where the
   * writers' lock is enough.
   */
  readonly guard?: (held: Held) => Promise<(() => Promise<void>) | undefined>;
  /** For the only writer. @throws MirrorError `busy` where somebody works on one of them; the others are gone then */
  readonly remove: (held: readonly Held[]) => Promise<void>;
}

export interface Want {
  readonly locks: readonly Lock[];
  /** Also what no setting asks for now, and a sync was once told to bring: documentation, installers. */
  readonly withHeld?: boolean;
  /** Git is asked what the commits that are here have as submodules. Without it the locks have to name these. */
  readonly withSubmodules?: boolean;
}

export interface Wanted<Job> {
  readonly jobs: readonly Job[];
  /** Entries of locks that cannot be mirrored, and why. */
  readonly refused: readonly Refused[];
}

/** Which entry of which lock asks; none: the configuration. */
export interface Asking {
  readonly lock?: string;
  readonly app?: string;
}

export interface Refused extends Asking {
  readonly item: Item;
  readonly reason: string;
}

export interface WantedItem {
  readonly item: Item;
  /** Of what is held for it (`Held.key`). */
  readonly keys: readonly string[];
  readonly locks: readonly string[];
}

export interface Look {
  readonly item: Item;
  readonly isHeld: boolean;
}

export interface BringTools extends Upstreams {
  readonly hex: HexSources;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  /**
   * Every lock that the mirror knows by now, those being synced included, here and in other processes: what they name is
   * not given up.
   */
  readonly known: () => Promise<readonly Lock[]>;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly land: Land;
}

export interface Bringing<Job> {
  /** Upstream → verified → beside its place → in it. Each item of the job comes to one outcome. */
  readonly bring: (job: Job) => AsyncIterable<Outcome>;
  /** What turned out to be wanted besides, since this was last asked: all of it, as locks, and the jobs that are left. */
  readonly found?: () => { readonly locks: readonly Lock[]; readonly wanted: Wanted<Job> };
  /** Writes down what was learned; called whatever happened. @returns what is wrong with the whole */
  readonly finish: () => Promise<readonly Failed[]>;
}

export interface Problem extends Asking {
  readonly state: "missing" | "damaged";
  readonly reason: string;
}

export interface Checked {
  readonly item: Item;
  readonly problems: readonly Problem[];
}

export interface Held {
  readonly item: Item;
  readonly key: string;
  /** What goes with it. */
  readonly places: readonly Place[];
  /** Keys of others that have to stay as long as it does. */
  readonly needs?: readonly string[];
  /** Why it is left alone although nothing wants it. */
  readonly spared?: string;
}
