/** Environment variables as text, for those who will read them. Pure. */
import { MirrorError } from "../errors.ts";
import type { Settings } from "../options.ts";
import { printable, singleQuoted } from "../text.ts";
import type { Change } from "./variables.ts";

export type Format = Settings["format"];

/** What a shell reads line by line. */
interface Shell {
  readonly set: (name: string, value: string) => string;
  readonly unset: (names: readonly string[]) => readonly string[];
  readonly move: (from: string, to: string) => string;
}

const shells: Readonly<Partial<Record<Format, Shell>>> = {
  sh: {
    set: (name, value) => `export ${name}=${singleQuoted(value)}`,
    unset: (names) => [`unset ${names.join(" ")}`],
    move: (from, to) => `export ${to}="$${from}"`,
  },
  fish: {
    set: (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, "\\$&")}'`,
    // Never those that are kept for all of fish: they are the user's, in a file.
    unset: (names) => [
      `set -eg ${names.join(" ")}`,
      `for name in ${names.join(" ")}; set -q $name; and echo "mirror-server: $name is set for all of fish (set -U), and still counts" >&2; end`,
    ],
    move: (from, to) => `set -gx ${to} $${from}`,
  },
  powershell: {
    // Typographic quotes end a text as well.
    set: (name, value) => `$env:${name} = '${value.replace(/['\u2018-\u201b]/g, "$&$&")}'`,
    unset: (names) => names.map((name) => `Remove-Item -ErrorAction SilentlyContinue Env:${name}`),
    move: (from, to) => `$env:${to} = $env:${from}`,
  },
};

/** @param isRevert whether it takes back what was set before @throws MirrorError `config` for what the format cannot say */
export function formatVariables(format: Format, change: Change, isRevert: boolean): string {
  const { set, unset, moved } = change;
  const shell = shells[format];
  if (shell !== undefined) {
    const pairs = Object.entries(set);
    return [
      ...moved.map(({ from, to }) => shell.move(from, to)),
      ...(unset.length > 0 ? shell.unset(unset) : []),
      ...pairs.map(([name, value]) => shell.set(name, value)),
    ].join("\n");
  }
  // What only a shell can move stays where it is.
  const stays = new Set(moved.map(({ from }) => from));
  const pairs = Object.entries(set).filter(([name, value]) => value !== "" || !stays.has(name));
  switch (format) {
    case "json": {
      const shown = isRevert
        ? { set, unset }
        : { ...Object.fromEntries(pairs), ...Object.fromEntries(unset.map((name) => [name, null])) };
      return JSON.stringify(shown, null, 2);
    }
    case "github-actions":
      if (unset.length > 0) throw cannotUnset(unset, isRevert);
      return lines(format, pairs);
    case "gitlab":
      return isRevert ? "variables: {}" : gitlab(ofContainers(pairs));
    default:
      return isRevert
        ? "# containers begin without any of it: start them without this file"
        : lines(format, ofContainers(pairs));
  }
}

/** What would be put back belongs to this shell, and to no container. */
function ofContainers(pairs: readonly [string, string][]): [string, string][] {
  return pairs.filter(([name]) => !name.startsWith("MIRROR_SERVER_SAVED_"));
}

/** Taken as they stand, quotes included. */
function lines(format: Format, pairs: readonly [string, string][]): string {
  const broken = pairs.find(([, value]) => printable(value) !== value);
  if (broken === undefined) return pairs.map(([name, value]) => `${name}=${value}`).join("\n");
  const why = `${broken[0]} holds a line break or a control character, which ${format} cannot say`;
  throw new MirrorError("config", `${why}; give another folder with --cache-dir or --certs-dir`);
}

/** A block for `.gitlab-ci.yml`, or a file that it includes. GitLab takes `$` for a variable of its own. */
function gitlab(pairs: readonly [string, string][]): string {
  return [
    "variables:",
    ...pairs.map(([name, value]) => `  ${name}: ${JSON.stringify(value.replaceAll("$", "$$$$"))}`),
  ].join("\n");
}

function cannotUnset(names: readonly string[], isRevert: boolean): MirrorError {
  const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
  const remedy = isRevert
    ? 'end the job, or in each step that is to be without them, eval "$(mirror-server env --revert)"'
    : "take them out where they are set, or use exec";
  return new MirrorError("config", `github-actions knows no way to unset ${shown}; ${remedy}`);
}
