/** What is known of whoever is to use a mirror, and of the server that it is to use. */
import type { UsersGit } from "../git/users-settings.ts";
import type { Lock } from "../lock/entries.ts";
import type { AuthorityKey } from "../store/trust.ts";

/** The settings that say where a mirror is, and whom its clients trust. */
export type ClientKey =
  | "url"
  | "requireToken"
  | "usePolicy"
  | "found"
  | "hexConfigFile"
  | "hexPackagesDir"
  | "hexDocsDir"
  | "isAuthorityKnown"
  | "ownCacheDir"
  | AuthorityKey;

export interface Client {
  /** Of the user, with what points at a mirror where this runs within that. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the variables are added to, where that is another: a container's, which has nothing of this machine's. */
  readonly addedTo?: Readonly<Record<string, string | undefined>>;
  /** Of the project that it works on. */
  readonly locks: readonly Lock[];
  /** As the user's git is set, where it works. */
  readonly git: UsersGit;
  /** Whether that git reads our rules before the user's. */
  readonly readsOursFirst: () => Promise<boolean>;
  /** Whether git keeps a file. */
  readonly isTracked: (path: string) => Promise<boolean>;
}

/** The proxy of one command. */
export interface CommandProxy {
  /** With its login. */
  readonly url: string;
  /** Whether it leads to the mirror and nowhere else. */
  readonly isRefusing: boolean;
}

/** What is known of the server besides its URL. */
export interface Server {
  /** Whether it answers there, and tells what it stands in for. */
  readonly isRunning: boolean;
  /** Hosts that it stands in for besides those that something is held of. */
  readonly hosts?: readonly string[];
  /** Whom clients ask for what they would ask other hosts; absent: these, or the user's own proxy. */
  readonly proxy?: CommandProxy | undefined;
}
