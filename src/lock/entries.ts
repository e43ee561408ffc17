/** What a lock names, whatever tool wrote it. */
import type { PolicyName } from "../names/policy-names.ts";

export interface HexEntry {
  readonly kind: "hex";
  /** The application's name, the key of the entry. */
  readonly app: string;
  /** The package's name on the Hex server; differs from `app` now and then. */
  readonly name: string;
  readonly version: string;
  /** `hexpm`, another repository's name, or `hexpm:ORG`. */
  readonly repository: string;
  /** SHA-256 of the tarball's insides, 64 lower-case hex digits; absent in the oldest locks. */
  readonly innerChecksum?: string | undefined;
  /** SHA-256 of the whole tarball, likewise; absent before Hex 0.20. */
  readonly outerChecksum?: string | undefined;
}

export interface GitEntry {
  readonly kind: "git";
  readonly app: string;
  /** As the lock writes it. */
  readonly url: string;
  /** The locked commit, 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. */
  readonly revision: string;
  readonly options: GitOptions;
}

export interface GitOptions {
  readonly ref?: string | undefined;
  readonly tag?: string | undefined;
  readonly branch?: string | undefined;
  readonly sparse?: string | undefined;
  readonly subdir?: string | undefined;
  readonly depth?: number | undefined;
  readonly submodules?: boolean | undefined;
}

/** An entry that names nothing to mirror: a path dependency, or a source that we do not know. */
export interface SkippedEntry {
  readonly kind: "skipped";
  readonly app: string;
  readonly reason: string;
  /** A path dependency: it is of the project itself. */
  readonly isPath: boolean;
}

export type LockEntry = HexEntry | GitEntry | SkippedEntry;

/** Which tool wrote it. */
export type LockKind = "mix" | "rebar" | "gleam";

/** Tools that are no packages: packages of these names download them. */
export const toolNames = ["tailwind", "esbuild"] as const;
export type ToolName = (typeof toolNames)[number];

export interface ToolVersions {
  readonly name: ToolName;
  /** `4.1.12`, each once; none: whatever the package takes where nothing is said. */
  readonly versions: readonly string[];
}

export interface Lock {
  /** undefined for one that the mirror remembers. */
  readonly kind?: LockKind;
  /** Dependency policies that its project is held to; absent: none. */
  readonly policies?: readonly PolicyName[];
  /** Which versions of tools that are no packages its project's configuration names; absent: none. */
  readonly tools?: readonly ToolVersions[];
  /** What the mirror calls it: an option, else the project folder's name. */
  readonly name: string;
  readonly entries: readonly LockEntry[];
  /** The file that it was read from; undefined for one that the mirror remembers. */
  readonly origin?: string;
}
