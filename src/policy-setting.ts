/**
 * `"policy"` in the configuration: a dependency policy that the mirror signs, and Hex enforces. Strict, since Hex passes over
 * what it does not take: a rule that was mistyped would protect nobody.
 *
 *   {"name": "team", "cooldown": "7d", "advisories": "high", "retired": ["security"],
 *    "deny": [{"package": "left_pad", "requirement": "< 2.0.0", "reason": "it was hijacked"}],
 *    "allow": [{"package": "phoenix", "reason": "we review it"}],
 *    "except": [{"package": "plug", "advisory": "GHSA-…", "reason": "not reachable here"}],
 *    "repositories": {"hexpm:acme": {"deny": […]}}}
 */
import * as z from "zod";
import { isPackageName, isRepositoryName } from "./names/hex-names.ts";
import { hexpm, organisationOf, ownRepository, signedName } from "./names/hex-repository.ts";
import { isPolicyName, parsePolicyName, type PolicyName } from "./names/policy-names.ts";
import { retirementReasons, severities, type Exception, type PolicyText } from "./names/policy-rules.ts";
import { isRequirement } from "./names/versions.ts";
import { printable } from "./text.ts";

// What Hex shows of it is one line. Characters.
const maxReason = 500;
const shown = z
  .string()
  .trim()
  .min(1)
  .refine((text) => Array.from(text).length <= maxReason, `at most ${maxReason} characters`)
  .refine((text) => printable(text) === text && !/\p{Cf}/u.test(text), "no line breaks and no control characters");
const subject = {
  package: z.string().refine(isPackageName, "a package's name"),
  requirement: z
    .string()
    .refine(isRequirement, "a requirement such as ~> 1.2, or >= 1.0.0 and < 2.0.0, with all three numbers but after ~>")
    .optional(),
  reason: shown,
};
const duration = z.string().regex(/^(?:0|\d{1,4}(?:d|w|mo))$/, "a time such as 7d, 2w or 1mo");
const retired = z.enum(retirementReasons);
const exception = z
  .strictObject({
    ...subject,
    advisory: shown.optional(),
    retired: retired.optional(),
    cooldown: z.literal(true).optional(),
  })
  .refine(
    (each) => [each.advisory, each.retired, each.cooldown].filter((value) => value !== undefined).length === 1,
    'one of "advisory", "retired" and "cooldown": true',
  )
  .transform(({ advisory, retired: reason, cooldown: _cooldown, ...about }): Exception => {
    if (advisory !== undefined) return { ...about, from: { advisory } };
    return { ...about, from: reason === undefined ? "cooldown" : { retired: reason } };
  });
const rules = {
  cooldown: duration.optional(),
  advisories: z.enum(severities).optional(),
  retired: z.array(retired).default([]),
  deny: z.array(z.strictObject(subject)).default([]),
  allow: z.array(z.strictObject(subject)).default([]),
  except: z.array(exception).default([]),
};

/** `team`: the mirror's own; `hexpm:acme/strict`, `local/team` */
export function policyNamed(text: string): PolicyName | undefined {
  return isPolicyName(text) ? { repository: ownRepository, name: text } : parsePolicyName(text);
}

const name = z.string().transform((text, refinement): PolicyName => {
  const named = policyNamed(text);
  // An organisation's are signed by hex.pm.
  if (named !== undefined && organisationOf(named.repository) === undefined) return named;
  refinement.addIssue({ code: "custom", message: "NAME, or REPOSITORY/NAME of a repository of this mirror's own" });
  return z.NEVER;
});

export interface OwnPolicy extends PolicyName {
  readonly text: PolicyText;
}

export const ownPolicy = z
  .strictObject({
    name: name.default({ repository: ownRepository, name: "team" }),
    description: shown.optional(),
    ...rules,
    repositories: z
      .record(z.string().refine(isRepositoryName, "a Hex repository's name"), z.strictObject(rules))
      .default({}),
  })
  .transform(({ name: named, description, repositories, ...ofHexpm }): OwnPolicy => {
    const others = Object.entries(repositories).map(([about, each]) => [signedName(about), each] as const);
    const text = { repository: named.repository, name: named.name, description };
    return { ...named, text: { ...text, rules: { [hexpm]: ofHexpm, ...Object.fromEntries(others) } } };
  });
