/** What `verify` finds. */
import type { Asking } from "../artifacts/artifact.ts";
import type { CompilesOffline } from "../artifacts/compiles.ts";
import type { Item } from "../names/item.ts";
import type { SkippedDependency } from "../plan/skipped.ts";

/** `lock` and `app`: who asks for it, where somebody does. */
export interface Finding extends Asking {
  readonly item: Item;
  readonly reason: string;
}

export interface VerifyResult {
  readonly ok: boolean;
  /** How many things were looked at. */
  readonly checked: number;
  readonly missing: readonly Finding[];
  readonly damaged: readonly Finding[];
  readonly skipped: readonly SkippedDependency[];
  /** Releases that no upstream record covers: they are as good as whoever adopted them. */
  readonly uncovered: readonly Uncovered[];
  /** Whether what the locks name compiles without a network. Without --artefacts, `ok` does not depend on it. */
  readonly compilesOffline: CompilesOffline;
  /** With --deep: what was found damaged, and lies in `quarantine/` now. */
  readonly quarantined?: readonly Quarantined[];
}

export interface Uncovered {
  readonly item: Item;
  /** Not where nobody adopted it. */
  readonly isSigned: boolean;
}

export interface Quarantined {
  readonly item: Item;
  /** Where it lay. */
  readonly path: string;
  readonly reason: string;
}

/** Being collected. */
export interface Findings {
  checked: number;
  readonly missing: Finding[];
  readonly damaged: Finding[];
}
