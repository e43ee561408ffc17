/** Environment variables as text, for those who will read them. Pure. */
import { MirrorError } from "../errors.ts";
import { printable, singleQuoted } from "../text.ts";
import type { Change } from "./variables.ts";

export type Format = "sh" | "docker" | "github-actions" | "json";

/** @param isRevert whether it takes back what was set before @throws MirrorError `config` for what the format cannot say */
export function formatVariables(format: Format, { set, unset, moved }: Change, isRevert: boolean): string {
  const pairs = Object.entries(set);
  const broken =
    format === "sh" || format === "json" ? undefined : pairs.find(([, value]) => printable(value) !== value);
  if (broken !== undefined) {
    const why = `${broken[0]} holds a line break or a control character, which ${format} cannot say`;
    throw new MirrorError("config", `${why}; give another folder with --cache-dir or --certs-dir`);
  }
  switch (format) {
    case "json": {
      const change = isRevert ? { set, unset } : { ...set, ...Object.fromEntries(unset.map((name) => [name, null])) };
      return JSON.stringify(change, null, 2);
    }
    case "sh":
      return [
        ...moved.map(({ from, to }) => `export ${to}="$${from}"`),
        ...(unset.length > 0 ? [`unset ${unset.join(" ")}`] : []),
        ...pairs.map(([name, value]) => `export ${name}=${singleQuoted(value)}`),
      ].join("\n");
    // Both take values as they stand, quotes included.
    case "docker":
      // A container begins without any of ours, and without what this shell has.
      if (isRevert && unset.length > 0) throw cannotUnset(format, unset);
      break;
    case "github-actions":
      if (unset.length > 0) throw cannotUnset(format, unset);
  }
  // What would be put back belongs to this shell, and to no container.
  const shown = format === "docker" ? pairs.filter(([name]) => !name.startsWith("MIRROR_SERVER_SAVED_")) : pairs;
  return shown.map(([name, value]) => `${name}=${value}`).join("\n");
}

function cannotUnset(format: Format, names: readonly string[]): MirrorError {
  const remedy = "do it where they are set, or end the job or the container";
  return new MirrorError("config", `${format} knows no way to unset ${names.join(", ")}; ${remedy}`);
}
