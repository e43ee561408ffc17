/** Our own files in JSON. Each has a schema, and says what becomes of one that does not fit it. */
import type * as z from "zod";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";

export interface JsonFile<T> {
  readonly place: Place;
  readonly schema: z.ZodType<T>;
  /**
   * `counts as none`: losing it costs work, nothing else. Else what a person is told to do, since what was lost with it
   * must not be lost unnoticed.
   */
  readonly whenDamaged: "counts as none" | { readonly remedy: string };
}

/** @returns undefined where there is none @throws MirrorError `storage` where it cannot be read, or is damaged */
export async function readJson<T>({ place, schema, whenDamaged }: JsonFile<T>): Promise<T | undefined> {
  const text = (await place.read())?.toString("utf8");
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    if (whenDamaged === "counts as none") return undefined;
    throw new MirrorError("storage", `${place.path} is damaged; ${whenDamaged.remedy}`, { cause });
  }
}

/** As our files have it: one line a value, so that branches merge and people read. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}
