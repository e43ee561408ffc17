/** What a record tells of a release, in words and as people write times. */
import { retirementReasons } from "../names/policy-rules.ts";
import type { Release } from "./records.ts";

/** Why it was taken back; null: it was not. */
export function retirementOf({ retired }: Release): { reason: string; message: string | null } | null {
  if (retired === undefined) return null;
  return { reason: retirementReason(retired.reason), message: retired.message || null };
}

/** `security`; `other` for a number of tomorrow. */
export function retirementReason(number: number): string {
  return retirementReasons[number] ?? "other";
}

/** ISO 8601; null where the record does not tell. */
export function publishedAt({ publishedAt: time }: Release): string | null {
  if (time === undefined) return null;
  return new Date(Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000)).toISOString();
}
