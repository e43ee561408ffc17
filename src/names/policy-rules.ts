/** What a dependency policy can say, in the words that people write. Pure. */

/** AdvisorySeverity in Hex's protobuf, by number. */
export const severities = ["none", "low", "medium", "high", "critical"] as const;
export type Severity = (typeof severities)[number];

/** RetirementReason, likewise. */
export const retirementReasons = ["other", "invalid", "security", "deprecated", "renamed"] as const;
export type RetirementReason = (typeof retirementReasons)[number];

/** What a rule is about. */
export interface Subject {
  readonly package: string;
  /** `~> 1.0`; undefined: every version. */
  readonly requirement?: string | undefined;
  /** Shown by Hex. */
  readonly reason: string;
}

/** What is said of the packages of one Hex repository. */
export interface Rules {
  /** `7d`, `2w`, `1mo`: younger releases are left out. */
  readonly cooldown?: string | undefined;
  /** Releases with an advisory of at least that severity are left out. */
  readonly advisories?: Severity | undefined;
  /** Releases that were retired for one of these reasons are left out. */
  readonly retired: readonly RetirementReason[];
  readonly deny: readonly Subject[];
  /** Taken whatever else is said. */
  readonly allow: readonly Subject[];
  /** From one rule, and only from that. */
  readonly except: readonly Exception[];
}

export interface Exception extends Subject {
  readonly from: { readonly advisory: string } | { readonly retired: RetirementReason } | "cooldown";
}

export interface PolicyText {
  /** The name that its repository signs with. */
  readonly repository: string;
  readonly name: string;
  readonly description: string | undefined;
  /** By the signed name of the repository that they are about. */
  readonly rules: Readonly<Record<string, Rules>>;
}
