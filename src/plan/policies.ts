/** Locks and settings → the dependency policies that the mirror must hold, each once. Pure. */
import { compareNames } from "../names/hex-names.ts";
import { showPolicyName, type PolicyName } from "../names/policy-names.ts";
import type { PolicyText } from "../names/policy-rules.ts";
import type { OwnPolicy } from "../policy-setting.ts";
import type { Lock } from "../lock/entries.ts";

export interface PolicyJob extends PolicyName {
  /** Whose projects are held to it; none: the configuration asks. */
  readonly locks: readonly string[];
  /** What it says, where the configuration has it; undefined: upstream's. */
  readonly own: PolicyText | undefined;
}

export interface PolicySettings {
  readonly policies: readonly PolicyName[];
  readonly policy?: OwnPolicy | undefined;
  readonly usePolicy?: PolicyName | undefined;
}

/** By repository, then by name. */
export function policyJobs(locks: readonly Lock[], { policies, policy, usePolicy }: PolicySettings): PolicyJob[] {
  const asked = new Map<string, { readonly named: PolicyName; readonly locks: Set<string> }>();
  const ask = (named: PolicyName, lock?: string) => {
    const key = showPolicyName(named);
    const known = asked.get(key) ?? { named, locks: new Set<string>() };
    if (lock !== undefined) known.locks.add(lock);
    asked.set(key, known);
  };
  for (const { name, policies: ofLock = [] } of locks) for (const named of ofLock) ask(named, name);
  for (const named of [...policies, ...[policy, usePolicy].filter((each) => each !== undefined)]) ask(named);
  const own = policy === undefined ? undefined : showPolicyName(policy);
  const jobs = [...asked].map(([key, { named, locks: names }]) => {
    const { repository, name } = named;
    return { repository, name, locks: [...names], own: key === own ? policy?.text : undefined };
  });
  return jobs.sort((a, b) => compareNames(a.repository, b.repository) || compareNames(a.name, b.name));
}
