/** Environment variables as text, for those who will read them. Pure. */
import { MirrorError } from "../errors.ts";

export type Format = "sh" | "docker" | "github-actions" | "json";

/** @param unset names that shall not be set any more; undefined where that is not the question */
export function formatVariables(
  format: Format,
  set: Readonly<Record<string, string>>,
  unset?: readonly string[],
): string {
  const pairs = Object.entries(set);
  if (unset !== undefined && unset.length > 0 && (format === "docker" || format === "github-actions")) {
    throw new MirrorError(
      "config",
      `--revert: ${format} knows no way to unset a variable; end the job or the container`,
    );
  }
  const broken = pairs.find(([, value]) => /[\r\n]/.test(value));
  if (broken !== undefined) throw new MirrorError("config", `${broken[0]} holds a line break`);
  switch (format) {
    case "json":
      return JSON.stringify(unset === undefined ? set : { set, unset }, null, 2);
    case "sh":
      return [
        ...(unset !== undefined && unset.length > 0 ? [`unset ${unset.join(" ")}`] : []),
        ...pairs.map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`),
      ].join("\n");
    // Both take values as they stand, quotes included.
    case "docker":
    case "github-actions":
      return pairs.map(([name, value]) => `${name}=${value}`).join("\n");
  }
}
