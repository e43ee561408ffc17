/**
 * Every path in the mirror, and nothing else; those of one Hex repository are in registry-paths. Whatever is put into
 * a path was checked where it was read (hex/names, git/url, plan/files), from our own files too.
 */
import { join } from "node:path";
import { organisationOf, servedName, sourceOf } from "../hex/repository.ts";
import { RegistryPaths } from "./registry-paths.ts";

export interface StoreFolders {
  readonly mirrorDir: string;
  readonly hexDir: string;
  readonly gitDir: string;
  readonly privateKeyFile: string;
}

export class StorePaths {
  readonly mirrorDir: string;
  readonly hexDir: string;
  readonly gitDir: string;
  readonly privateKey: string;

  constructor(folders: StoreFolders) {
    this.mirrorDir = folders.mirrorDir;
    this.hexDir = folders.hexDir;
    this.gitDir = folders.gitDir;
    this.privateKey = folders.privateKeyFile;
  }

  /** `.mirror/mirror.json` */
  get mirrorFile(): string {
    return join(this.mirrorDir, "mirror.json");
  }

  /** `.mirror/.gitignore` */
  get gitignore(): string {
    return join(this.mirrorDir, ".gitignore");
  }

  /** `.mirror/.lock`, a folder of its own: taking and giving back the lock touches no other mtime. */
  get lockDir(): string {
    return join(this.mirrorDir, ".lock");
  }

  /** `.mirror/.lock/last-sync` */
  get lastSync(): string {
    return join(this.lockDir, "last-sync");
  }

  /** `.mirror/.lock/origins.json` */
  get lockOrigins(): string {
    return join(this.lockDir, "origins.json");
  }

  /** `.mirror/locks` */
  get knownLocksDir(): string {
    return join(this.mirrorDir, "locks");
  }

  /** `.mirror/locks/my_app.json` */
  knownLock(name: string): string {
    return join(this.knownLocksDir, `${name}.json`);
  }

  /** `.mirror/upstream` */
  get upstreamDir(): string {
    return join(this.mirrorDir, "upstream");
  }

  /** `.mirror/hex/repos`: the repositories besides hexpm. */
  get reposDir(): string {
    return join(this.hexDir, "repos");
  }

  /** The paths of a Hex repository by its name in locks: `hexpm`, `hexpm:acme`, `other` */
  registry(repository: string): RegistryPaths {
    const served = servedName(repository);
    const organisation = organisationOf(repository);
    return new RegistryPaths(
      repository,
      served === undefined ? this.hexDir : join(this.reposDir, served),
      join(this.upstreamDir, sourceOf(repository), ...(organisation === undefined ? [] : ["repos", organisation])),
    );
  }

  /** `.mirror/hex/installs`: what `mix local.hex` and `mix local.rebar` download. */
  get installsDir(): string {
    return join(this.hexDir, "installs");
  }

  /** `.mirror/files`: other files, by host and path. */
  get filesDir(): string {
    return join(this.mirrorDir, "files");
  }

  /** `.mirror/files.json`: the checksum of each. */
  get fileChecksums(): string {
    return join(this.mirrorDir, "files.json");
  }

  /** `.mirror/files/github.com/owner/repo/releases/download/v1/tool` */
  file(host: string, path: string): string {
    return join(this.filesDir, this.filePath(host, path));
  }

  /** `github.com/owner/repo/releases/download/v1/tool`, below `files` */
  filePath(host: string, path: string): string {
    return join(hostFolder(host), ...path.split("/"));
  }

  /** `.mirror/corrupt`: where `verify --deep` puts what it found damaged. */
  get corruptDir(): string {
    return join(this.mirrorDir, "corrupt");
  }

  /** `.mirror/git/github.com/phoenixframework/phoenix.git` */
  repository(host: string, path: string): string {
    return join(this.gitDir, hostFolder(host), ...`${path}.git`.split("/"));
  }
}

// No host name ends in it, and it has the dot that tells hosts from owners of the old layout.
const dotless = "._";

/** `github.com` → `github.com`, `gitserver` → `gitserver._`, `::1` → `%3A%3A1._` (no `:` in file names everywhere). */
function hostFolder(host: string): string {
  const portable = host.replaceAll(":", "%3A");
  return portable.includes(".") ? portable : `${portable}${dotless}`;
}

/** The host whose repositories lie in this folder; undefined for an owner of the old layout, OWNER/REPO.git. */
export function hostOfFolder(name: string): string | undefined {
  if (name.startsWith(".") || !name.includes(".")) return undefined;
  const host = name.endsWith(dotless) ? name.slice(0, -dotless.length) : name;
  return host.replaceAll("%3A", ":").toLowerCase();
}
