/**
 * What a package downloads while it is compiled, read from its tarball: the files, with their checksums, from what
 * checksums.ts knows, and where they lie from the forms that packages use for that:
 *
 *   rustler_precompiled   `base_url:` beside the module that the checksums are of
 *   elixir_make           `make_precompiler_url:` in mix.exs, with `@{artefact_filename}` for the name
 *   others                `@base_url` (xla), or the one place of releases that mix.exs names (evision)
 *
 * Read as data, never evaluated. Pure.
 */
import { MirrorError, describeError } from "../errors.ts";
import { isChecksumFile, moduleOf, readChecksums, type Checksums } from "./checksums.ts";
import { readLiterals, type Literals, type ProjectSays } from "./literals.ts";

/** Which client looks for them, and how its cache is laid out. */
export type Cache = "rustler_precompiled" | "elixir_make" | "xla";

export interface Download {
  readonly url: string;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly cache: Cache;
}

export interface PackageDownloads {
  readonly downloads: readonly Download[];
  /** What is downloaded from nobody can tell where. */
  readonly unread: readonly Unread[];
}

export interface Unread {
  /** Why, as the end of a sentence. */
  readonly reason: string;
  readonly checksums: Checksums;
  /** Where they would lie if they are released as most are, a URL without the name at its end; undefined: nobody knows. */
  readonly guess: string | undefined;
}

export interface PackageContents {
  readonly name: string;
  readonly version: string;
  readonly links: Readonly<Record<string, string>>;
  /** What lies in it, by path; what is no text is of no use. */
  readonly files: ReadonlyMap<string, string>;
}

/** Whether it may be an Elixir source that says where something lies, what it is checked by, or what Rust is built with. */
export function isOfInterest(path: string): boolean {
  const isSource = path === "mix.exs" || (path.startsWith("lib/") && path.endsWith(".ex"));
  return isSource || isChecksumFile(path) || isCargo(path);
}

/** Whether a tarball can have anything to tell, without unpacking it: its metadata names each file in it. */
export function mayDownload(tarball: Buffer): boolean {
  return ["checksum", "Cargo.toml", "nerves"].some((name) => tarball.includes(name));
}

function isCargo(path: string): boolean {
  return /(?:^|\/)Cargo\.toml$/.test(path);
}

/** None where a tarball has no checksums: what it downloads, if anything, it does not tell. */
export function packageDownloads(contents: PackageContents): PackageDownloads {
  const found: Download[] = [];
  const unread: Unread[] = [];
  const paths = [...contents.files.keys()];
  const checked = paths.filter(isChecksumFile);
  if (checked.length === 0 && paths.some(isCargo)) {
    const reason = "it builds Rust sources, and cargo fetches by itself what these need";
    unread.push({ reason, checksums: new Map(), guess: undefined });
  }
  const mixExs = contents.files.get("mix.exs") ?? "";
  if (/\bnerves_package:/.test(mixExs)) {
    const reason = "it is built or downloaded by Nerves, under a name that is made by code; fill NERVES_DL_DIR";
    unread.push({ reason, checksums: new Map(), guess: undefined });
  }
  for (const path of checked) {
    let checksums: Checksums = new Map();
    try {
      checksums = readChecksums(path, contents.files.get(path) ?? "");
      // Before the first release there is nothing to be had.
      if (checksums.size === 0) continue;
      const { cache, urlOf } = whereIs(path, contents);
      for (const [name, sha256] of checksums) found.push({ url: urlOf(name), sha256, cache });
    } catch (error) {
      unread.push({ reason: describeError(error), checksums, guess: guessed(contents) });
    }
  }
  return { downloads: found, unread };
}

interface Where {
  readonly cache: Cache;
  readonly urlOf: (name: string) => string;
}

/** @throws MirrorError `malformed` where it cannot be told */
function whereIs(path: string, { files, ...package_ }: PackageContents): Where {
  const ofProject = projectOf(package_, files.get("mix.exs") ?? "");
  const read = new Map<string, Literals>();
  let characters = 0;
  const literalsOf = (file: string): Literals => {
    characters += read.has(file) ? 0 : (files.get(file) ?? "").length;
    if (characters > maxSources) throw malformed("more sources name it than are read");
    const literals = read.get(file) ?? readLiterals(files.get(file) ?? "", ofProject);
    read.set(file, literals);
    return literals;
  };
  const sources = [...files.keys()].filter((file) => file.endsWith(".ex"));
  const module = moduleOf(path);
  if (module !== undefined) {
    const users = sources.filter((file) => /\bRustlerPrecompiled\b/.test(files.get(file) ?? "")).map(literalsOf);
    const own = users.filter(({ modules }) => modules.includes(module));
    const bases = (own.length === 0 ? users : own).flatMap((each) => each.key("base_url"));
    const base = theOnly(bases, `the base_url of ${module}`);
    return { cache: "rustler_precompiled", urlOf: (name) => below(base, name) };
  }
  if (path === "checksum.exs") {
    const mixExs = literalsOf("mix.exs");
    const templates = mixExs.key("make_precompiler_url");
    if (templates.length === 0) {
      const places = mixExs
        .beginnings(releases)
        .map((text) => /^https?:.*?\/releases\/download\/[^/]+(?=\/)/.exec(text)?.[0]);
      const place = theOnly(places, "where its releases lie");
      return { cache: "elixir_make", urlOf: (name) => below(place, name) };
    }
    const template = theOnly(templates, "make_precompiler_url in mix.exs");
    if (!template.includes(artefact)) throw malformed(`make_precompiler_url in mix.exs has no ${artefact}`);
    return { cache: "elixir_make", urlOf: (name) => template.replaceAll(artefact, name) };
  }
  const users = sources.filter((file) => (files.get(file) ?? "").includes("@base_url"));
  const bases = users.map(literalsOf).map((each) => each.attribute("base_url"));
  const base = theOnly(
    bases.filter((each) => each !== undefined),
    "@base_url",
  );
  return { cache: "xla", urlOf: (name) => below(base, name) };
}

// Characters of all that is looked at of one package: some seconds' work.
const maxSources = 2 * 1024 * 1024;
const artefact = "@{artefact_filename}";
const releases = "/releases/download/";

/** What `Mix.Project.config()` has: the tarball's metadata tells some of it, mix.exs the rest. */
function projectOf({ name, version, links }: Omit<PackageContents, "files">, mixExs: string): ProjectSays {
  const known: ProjectSays = ([first, second, third]) => {
    if (first === "version") return version;
    if (first === "app") return name;
    return first === "package" && second === "links" && third !== undefined ? links[third] : undefined;
  };
  let project: Literals | undefined;
  return (path) => {
    const [first = "", ...more] = path;
    const found = known(path);
    if (found !== undefined || more.length > 0) return found;
    project ??= readLiterals(mixExs, known);
    const [only, ...others] = project.key(first);
    return others.length === 0 ? only : undefined;
  };
}

/** @throws MirrorError `malformed` */
function theOnly(values: readonly (string | undefined)[], what: string): string {
  const [value, ...others] = new Set(values);
  if (value !== undefined && others.length === 0) return value;
  if (values.length === 0) throw malformed(`${what} is not said`);
  throw malformed(`${what} is ${values.includes(undefined) ? "made by code" : "said in several ways"}`);
}

function below(base: string, name: string): string {
  return `${base}${base.endsWith("/") ? "" : "/"}${name}`;
}

/** As GitHub has it, and most packages with it. */
function guessed({ version, links }: PackageContents): string | undefined {
  const repository = Object.values(links).find((url) => /^https:\/\/github\.com\/[\w.-]+\/[\w.-]+\/?$/.test(url));
  return repository === undefined ? undefined : below(repository, `releases/download/v${version}`);
}

function malformed(what: string): MirrorError {
  return new MirrorError("malformed", what);
}
