/** What `verify` finds. */

export type Finding =
  | {
      readonly kind: "hex";
      readonly name: string;
      readonly version: string;
      readonly lock: string;
      readonly reason: string;
    }
  | { readonly kind: "registry"; readonly name: string; readonly lock: string; readonly reason: string }
  /** Something in the mirror that is neither file nor folder. */
  | { readonly kind: "place"; readonly path: string; readonly lock: string; readonly reason: string }
  | { readonly kind: "file"; readonly url: string; readonly lock: string; readonly reason: string }
  | {
      readonly kind: "git";
      readonly url: string;
      readonly revision: string;
      readonly lock: string;
      readonly reason: string;
    };

export interface VerifyResult {
  readonly ok: boolean;
  /** How many releases and commits were looked at. */
  readonly checked: number;
  readonly missing: readonly Finding[];
  readonly corrupt: readonly Finding[];
  /** Releases that no upstream record covers: they are as good as whoever adopted them. */
  readonly uncovered: readonly Uncovered[];
  /** With --deep: what was found damaged, and lies in `corrupt/` now. */
  readonly movedAside?: readonly MovedAside[];
}

export interface Uncovered {
  readonly name: string;
  readonly version: string;
  /** Not where nobody adopted it. */
  readonly isSigned: boolean;
}

export interface MovedAside {
  /** Where it lay. */
  readonly path: string;
  readonly reason: string;
}

/** Being collected. */
export interface Findings {
  checked: number;
  readonly missing: Finding[];
  readonly corrupt: Finding[];
}
