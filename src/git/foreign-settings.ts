/**
 * A bare repository brings a configuration of its own, and git obeys it: a command to connect with, a URL to fetch
 * from instead, another folder to read objects from. A mirror may have come by git, by a cache or on a stick, so before
 * git runs in one of its repositories, what it says must be what a plain repository says.
 */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { exists } from "../files.ts";

// What `git init`, `git clone --bare` and `git clone --mirror` write on any system, and what people set for serving.
// Remotes only by a plain name: a section that is named like a URL would be taken for the one that we fetch from.
const harmless = [
  /^core\.(?:repositoryformatversion|filemode|bare|ignorecase|precomposeunicode|symlinks|logallrefupdates|sharedrepository)$/,
  /^core\.(?:compression|loosecompression|bigfilethreshold|packedgit\w+|deltabasecachelimit|commitgraph|multipackindex)$/,
  /^(?:extensions\.objectformat|lfs\.repositoryformatversion)$/,
  /^remote\.[\w-]+\.(?:url|fetch|mirror|tagopt|prune|prunetags)$/,
  /^branch\..+\.(?:remote|merge|rebase)$/,
  /^uploadpack\.(?:allow\w+|hiderefs|keepalive)$/,
  /^http\.(?:uploadpack|receivepack|getanyfile)$/,
  /^(?:fetch|transfer)\.(?:prune|prunetags|hiderefs|fsckobjects|unpacklimit)$/,
  /^receive\.(?:deny\w+|hiderefs|fsckobjects|unpacklimit|autogc)$/,
  // Numbers, times and switches.
  /^(?:gc|pack|repack|maintenance|gitweb|user)\.[\w.-]+$/,
];

// Folders that git would go to besides: for objects, or for the configuration itself.
const leadElsewhere = ["objects/info/alternates", "objects/info/http-alternates", "commondir"];
// Files below them are remotes of an old kind, by name: an URL without a slash is one, too.
const oldRemotes = ["remotes", "branches"];

/** @returns what would make git do something else than read the repository; undefined where all is plain */
export async function foreignSettings(dir: string): Promise<string | undefined> {
  for (const name of leadElsewhere) {
    if (await exists(join(dir, name))) return `it has ${name}, which sends git to other folders`;
  }
  for (const name of oldRemotes) {
    if ((await readdir(join(dir, name)).catch(() => [])).length > 0)
      return `it has ${name}/, which git would fetch from`;
  }
  if (await exists(join(dir, "info/grafts"))) return "it has info/grafts, which makes another history of it";
  // Git takes a repository without one for what it seems to be.
  const setting = firstForeign(await readFile(join(dir, "config"), "utf8").catch(() => ""));
  return setting === undefined ? undefined : `its config says ${setting}, which git would act upon`;
}

/** Stricter than git: what is not plain to read is foreign. @returns `core.sshCommand`, or the line itself */
export function firstForeign(config: string): string | undefined {
  let section = "";
  for (const line of config.split(/\r?\n/).map((text) => text.trim())) {
    if (/^(?:[#;].*)?$/.test(line)) continue;
    const [, name, subsection] = /^\[([\w.-]+)(?:\s+"([^"\\]*)")?\]$/.exec(line) ?? [];
    if (name !== undefined) {
      section = subsection === undefined ? name.toLowerCase() : `${name.toLowerCase()}.${subsection}`;
      continue;
    }
    const [, key] = /^([a-z][\w-]*)\s*(?:=[^\\]*)?$/i.exec(line) ?? [];
    if (key === undefined) return JSON.stringify(line);
    const setting = `${section}.${key.toLowerCase()}`;
    if (!harmless.some((pattern) => pattern.test(setting))) return `${section}.${key}`;
  }
  return undefined;
}
