/**
 * Which settings of a repository are honest: those that git's own commands, forges and people leave in bare
 * repositories, and that lead to no command, no other folder and no other server. A mirror may have come by git, by a
 * cache or on a stick, and git would obey what its repositories' configurations say. Pure.
 */
import { booleanOf, parseConfig, quoted, type Setting } from "./config-file.ts";

// By section and key. Nothing is ever fetched within a mirrored repository (bare-repository.ts), so what only fetching
// goes by is of no effect: remotes, http, protocol.
const honest = [
  /^core\.(?:repositoryformatversion|filemode|bare|ignorecase|precomposeunicode|symlinks|logallrefupdates)$/,
  /^core\.(?:sharedrepository|compression|loosecompression|bigfilethreshold|packedgit\w+|deltabasecachelimit)$/,
  /^core\.(?:commitgraph|multipackindex|autocrlf|safecrlf|eol|longpaths|quotepath|protect\w+|fsync\w*)$/,
  /^(?:extensions\.(?:objectformat|refstorage|noop)|protocol\.version|core\.abbrev)$/,
  /^remote\.(?:url|pushurl|fetch|push|mirror|tagopt|prune|prunetags|gh-resolved|followremotehead|skip\w+)$/,
  /^branch\.(?:remote|pushremote|merge|rebase|description|gh-merge-base)$/,
  /^(?:uploadpack|uploadpackfilter|receive|bundle|http|user|gitlab|gitea|gitweb|hooks|lfs|gui|push)\.[\w-]+$/,
  /^(?:fetch|transfer)\.(?:prune|prunetags|hiderefs|fsckobjects|unpacklimit|advertise\w+)$/,
  // Numbers, times and switches. Of diff, what names a program is another key.
  /^diff\.binary$/,
  /^(?:gc|pack|repack|maintenance)\.[\w-]+$/,
];
// Each names a program, whatever its section.
const hook = /hook$/;

// What git has to know of a repository to read it, and its owner's wish not to have it served.
const ofFormat =
  /^(?:core\.repositoryformatversion|extensions\.(?:objectformat|refstorage)|http\.uploadpack|uploadpack\.hiderefs|transfer\.hiderefs)$/;

/**
 * The configuration of a repository that goes to others, as we write our own: of remotes, headers and names, which may hold
 * logins, nothing. @param config an honest one
 */
export function configForOthers(config: string): string {
  const kept = parseConfig(config).filter(({ name }) => ofFormat.test(name));
  const version = kept.find(({ name }) => name === "core.repositoryformatversion")?.value ?? "0";
  const core = `[core]\n\trepositoryformatversion = ${version}\n\tfilemode = true\n\tbare = true\n`;
  const others = kept.filter(({ name }) => !name.startsWith("core."));
  const lines = others.map(({ name, value = "true" }) => {
    const [section, key] = name.split(".");
    return `[${section}]\n\t${key} = ${/^[\w/.-]+$/.test(value) ? value : quoted(value)}\n`;
  });
  return core + lines.join("");
}

export interface Verdict {
  /** A setting that git would act upon. */
  readonly refused?: string;
  /** What the git here cannot do. */
  readonly unsupported?: string;
  /** Why it is kept and not served. */
  readonly unserved?: string;
}

/** @param features what the git here can do @returns what is in the way of using the repository, if anything is */
export function judgeConfig(config: string, features: { readonly reftable: boolean }): Verdict {
  let settings: Setting[];
  try {
    settings = parseConfig(config);
  } catch (error) {
    return { refused: `its config cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
  for (const { name, shown, value } of settings) {
    const key = `${name.slice(0, name.indexOf("."))}.${name.slice(name.lastIndexOf(".") + 1)}`;
    if (hook.test(key) || !honest.some((pattern) => pattern.test(key))) {
      return { refused: `its config says ${shown}, which git would act upon` };
    }
    if (name === "extensions.refstorage" && value?.toLowerCase() === "reftable" && !features.reftable) {
      return { unsupported: "its config says extensions.refStorage = reftable, which needs git 2.45 or later here" };
    }
  }
  // The last one counts.
  const served = settings.findLast(({ name }) => name === "http.uploadpack");
  return served !== undefined && booleanOf(served.value) === false
    ? { unserved: "its config says http.uploadpack = false" }
    : {};
}
