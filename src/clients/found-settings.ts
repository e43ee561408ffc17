/** Which of the user's settings the table (treatments.ts) has something to say of, for who looks at a machine. Pure. */
import type { UsersGit } from "../git/users-settings.ts";
import type { HexTerms } from "./hex-file.ts";
import type { RebarTerms } from "./rebar-file.ts";
import { described, treatmentOf, type Described } from "./treatments.ts";

export interface FoundSetting {
  /** As they stand there, without what they are set to. */
  readonly names: readonly string[];
  readonly described: Described;
}

export interface Settings {
  /** As the user has it, without what points at a mirror. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly git: UsersGit;
  readonly hex: HexTerms;
  readonly rebar: RebarTerms;
}

/** In the order of the table. */
export function findSettings({ environment, git, hex, rebar }: Settings): FoundSetting[] {
  const present = {
    environment: Object.keys(environment).filter((name) => environment[name] !== undefined),
    git: git.settings.map(({ name }) => name),
    "hex.config": hex.names,
    "rebar.config": rebar.names,
  };
  const found = new Map<Described, Set<string>>();
  for (const place of ["environment", "git", "hex.config", "rebar.config"] as const) {
    for (const name of present[place]) {
      const row = treatmentOf(place, name);
      if (row === undefined) continue;
      // A URL in a name of git's may hold a token.
      const shown = place === "git" ? name.replace(/^([^.]+\.).*[@:].*(\.[^.]+)$/s, "$1…$2") : name;
      found.set(row, (found.get(row) ?? new Set()).add(shown));
    }
  }
  return described.flatMap((row) => {
    const names = found.get(row);
    return names === undefined ? [] : [{ names: [...names].sort(), described: row }];
  });
}
