/**
 * What the user's git is set to, where it runs so: the settings of the system, the user, the project and the environment,
 * in the order in which git reads them. Git itself reads its files; what follows from them is for others.
 */
import { resolve } from "node:path";
import { booleanOf, type Setting } from "./config-file.ts";
import { tryGit } from "./run.ts";
import { isSslVerify } from "../verification.ts";

export interface UsersGit {
  readonly settings: readonly Setting[];
  /** The file that git reads first; undefined where it says nothing. */
  readonly systemFile: string | undefined;
  /** Why git cannot read them, in its own words; undefined: it can. */
  readonly problem: string | undefined;
}

export const noSettings: UsersGit = { settings: [], systemFile: undefined, problem: undefined };

interface Where {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** @throws MirrorError where there is no git; where git cannot read its own settings they are none */
export async function readUsersGit({ env, cwd }: Where): Promise<UsersGit> {
  const variables = Object.fromEntries(
    Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  const args = ["config", "--list", "--null", "--show-scope", "--show-origin"];
  const { code, stdout, stderr } = await tryGit(args, { env: variables, cwd, idleSeconds: 30 });
  return code === 0 ? parseList(stdout.toString("utf8"), cwd) : { ...noSettings, problem: stderr.trim() };
}

/** Pure: `SCOPE NUL ORIGIN NUL NAME [LF VALUE] NUL`, as often as there are settings. */
export function parseList(output: string, cwd: string): UsersGit {
  const parts = output.split("\0");
  const settings: Setting[] = [];
  let systemFile: string | undefined;
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const [scope, origin = "", entry = ""] = parts.slice(at, at + 3);
    // What is included has another origin, and comes after what includes it.
    if (scope === "system") systemFile ??= resolve(cwd, origin.replace(/^file:/, ""));
    const end = entry.indexOf("\n");
    const name = end === -1 ? entry : entry.slice(0, end);
    settings.push({ name, shown: name, value: end === -1 ? undefined : entry.slice(end + 1) });
  }
  return { settings, systemFile, problem: undefined };
}

/**
 * Which of them turn the verification of certificates off, for all hosts or one URL: the last of a name counts, and one that
 * is neither on nor off ends git, unless somebody says what holds.
 * @returns `http.sslverify`, `http.https://host/.sslverify`
 */
export function unverifiedIn(settings: readonly Setting[]): string[] {
  const last = new Map(settings.filter(({ name }) => isSslVerify(name)).map(({ name, value }) => [name, value]));
  return [...last].filter(([, value]) => booleanOf(value) !== true).map(([name]) => name);
}
