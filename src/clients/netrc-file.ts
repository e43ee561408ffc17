/**
 * `.netrc` for a mirror that is guarded: how Hex sends a token that no stored key holds, to whatever Hex repository of the mirror's.
 * Hex from 2.6 on passes over keys that are stored for organisations. It takes one word and one value a line, and a file with
 * anything else for none at all; so the user's own entries are written anew, beside the mirror's. Pure.
 * https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
 */
import { MirrorError } from "../errors.ts";

export interface NetrcEntry {
  readonly machine: string;
  readonly login: string;
  readonly password: string;
}

/** What the user's file says of machines by name; accounts, macros and the default entry are nothing to Hex. */
export function readNetrc(source: string): NetrcEntry[] {
  const plain = source
    // A macro ends with an empty line.
    .replace(/^[ \t]*macdef[ \t][^]*?(?:\n[ \t]*\n|$(?![^]))/gm, "")
    .replace(/^[ \t]*#.*$/gm, "");
  const words = plain.split(/\s+/).filter((word) => word !== "");
  const entries: Partial<Record<keyof NetrcEntry, string>>[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    if (word === "default") entries.push({});
    if (!["machine", "login", "password", "account"].includes(word)) continue;
    index += 1;
    const value = words[index] ?? "";
    if (word === "machine") entries.push({ machine: value });
    else if (word !== "account") Object.assign(entries.at(-1) ?? {}, { [word]: value });
  }
  return entries.filter((entry): entry is NetrcEntry =>
    [entry.machine, entry.login, entry.password].every((value) => value !== undefined && value !== ""),
  );
}

/** @param url where the mirror is reached @throws MirrorError `config` for a token that no such file can hold */
export function netrcFile(url: string, token: string, users: readonly NetrcEntry[]): string {
  if (/\s/.test(token)) {
    throw new MirrorError(
      "config",
      "the first token of --require-token holds a space, and Hex cannot send it; give another",
    );
  }
  const machine = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const others = users.filter((entry) => entry.machine !== machine);
  const all = [...others, { machine, login: "mirror-server", password: token }];
  return all
    .map(({ login, password, ...entry }) => `machine ${entry.machine}\nlogin ${login}\npassword ${password}\n`)
    .join("");
}
