/**
 * A dependency policy: which releases Hex leaves out when it resolves, as an organisation, or the owner of a mirror, wants
 * it. What a client does not understand of one it passes over, so what we make is strict about its own form.
 * https://hex.pm/docs/dependency-policies
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MirrorError } from "../errors.ts";
import { PolicySchema, type Policy } from "./gen/registry_pb.ts";
import { retirementReasons, severities, type Exception, type PolicyText, type Subject } from "../names/policy-rules.ts";

export type { Policy };

const visibilityPublic = 1;
// Each of its rules takes hundreds of bytes in memory, and may take ten here. Bytes.
const maxSize = 1024 * 1024;
const actions = { allow: 0, deny: 1, advisory: 2, retirement: 3, cooldown: 4 } as const;

/** @returns the payload, unsigned; the same for the same policy */
export function encodePolicy({ repository, name, description, rules }: PolicyText): Uint8Array {
  const repositories = Object.entries(rules).map(([about, each]) => ({
    repository: about,
    restriction: {
      ...(each.advisories === undefined ? {} : { advisoryMinSeverity: severities.indexOf(each.advisories) }),
      retirementReasons: each.retired.map((reason) => retirementReasons.indexOf(reason)),
      ...(each.cooldown === undefined ? {} : { cooldown: each.cooldown }),
    },
    overrides: [
      ...each.deny.map((subject) => ({ action: actions.deny, ...ofSubject(subject) })),
      ...each.allow.map((subject) => ({ action: actions.allow, ...ofSubject(subject) })),
      ...each.except.map(({ from, ...subject }) => ({ ...exception(from), ...ofSubject(subject) })),
    ],
  }));
  const policy = {
    repository,
    name,
    visibility: visibilityPublic,
    repositories,
    ...(description === undefined ? {} : { description }),
  };
  return toBinary(PolicySchema, create(PolicySchema, policy));
}

function ofSubject({ package: name, requirement, reason }: Subject) {
  return { ref: { package: name, ...(requirement === undefined ? {} : { requirement }) }, comment: reason };
}

function exception(from: Exception["from"]) {
  if (from === "cooldown") return { action: actions.cooldown };
  if ("advisory" in from) return { action: actions.advisory, advisoryId: from.advisory };
  return { action: actions.retirement, retirementReason: retirementReasons.indexOf(from.retired) };
}

/** @throws MirrorError `malformed` */
export function decodePolicy(payload: Uint8Array): Policy {
  try {
    if (payload.length > maxSize) throw new Error(`it is larger than ${maxSize} bytes`);
    return fromBinary(PolicySchema, payload);
  } catch (cause) {
    throw new MirrorError("malformed", "not a dependency policy", { cause });
  }
}
