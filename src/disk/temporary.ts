/**
 * Names of temporaries: `.names.tmp-OWNER-1f2e3d4c5b6a`, in the folder of what they will become, since a rename must not
 * cross file systems. The owner stands in the name, so that what a killed process left can go, and what another process
 * is just writing stays.
 */
import { randomBytes } from "node:crypto";
import { ownTag, stateOf } from "./owner.ts";

const pattern = /^\..*\.tmp-(?:([0-9a-z]+-[0-9a-z]+-[0-9a-z]+-[0-9a-z]+)-)?[0-9a-f]{12}$/;
// A name has 255 bytes, and some 60 of them go to what stands around it.
const maxStem = 120;
const hour = 60 * 60 * 1000;

export function temporaryName(name: string): string {
  const owner = ownTag();
  const random = randomBytes(6).toString("hex");
  return `.${name.slice(0, maxStem)}.tmp-${owner === undefined ? "" : `${owner}-`}${random}`;
}

export function isTemporary(name: string): boolean {
  return pattern.test(name);
}

/**
 * Whether nobody will come back to it: its owner is dead, or nothing can be known of the owner and it is an hour old.
 * @param modified milliseconds since 1970
 */
export function isLeftover(name: string, modified: number): boolean {
  // An older version, and a system that tells no owner, leave it out.
  const [whole, owner = ""] = pattern.exec(name) ?? [];
  if (whole === undefined) return false;
  const state = stateOf(owner);
  return state === "dead" || (state === "unknown" && Date.now() - modified > hour);
}
