/** Environment variables as text, for those who will read them. Pure. */
import { MirrorError } from "../errors.ts";

export type Format = "sh" | "docker" | "github-actions" | "json";

/** @param unset names that shall not be set any more */
export function formatVariables(
  format: Format,
  set: Readonly<Record<string, string>>,
  unset: readonly string[] = [],
): string {
  const pairs = Object.entries(set);
  const broken = pairs.find(([, value]) => /[\r\n]/.test(value));
  if (broken !== undefined) throw new MirrorError("config", `${broken[0]} holds a line break`);
  switch (format) {
    case "json":
      return JSON.stringify(unset.length > 0 ? { set, unset } : set, null, 2);
    case "sh":
      return [
        ...(unset.length > 0 ? [`unset ${unset.join(" ")}`] : []),
        ...pairs.map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`),
      ].join("\n");
    case "docker":
      // --env-file takes values as they stand, quotes included, and has no way to unset.
      return [...unset.map((name) => `# leave out ${name}`), ...pairs.map(([name, value]) => `${name}=${value}`)].join(
        "\n",
      );
    case "github-actions":
      return [...unset.map((name) => `${name}=`), ...pairs.map(([name, value]) => `${name}=${value}`)].join("\n");
  }
}
