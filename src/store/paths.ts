/**
 * Every path in the mirror, and nothing else. Whatever is put into a path was checked before (hex/names, git/url).
 * The layout of `hex` is that of `mix hex.registry build`, so that a folder made by it is served and updated in place.
 */
import { join } from "node:path";

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

  /** `.mirror/locks` */
  get knownLocksDir(): string {
    return join(this.mirrorDir, "locks");
  }

  /** `.mirror/locks/my_app.json` */
  knownLock(name: string): string {
    return join(this.knownLocksDir, `${name}.json`);
  }

  /** A file of our signed registry, by its URL path: `.mirror/hex/packages/jason` */
  hex(resource: string): string {
    return join(this.hexDir, ...resource.split("/"));
  }

  /** `.mirror/hex/tarballs` */
  get tarballsDir(): string {
    return join(this.hexDir, "tarballs");
  }

  /** `.mirror/hex/packages` */
  get packagesDir(): string {
    return join(this.hexDir, "packages");
  }

  /** `.mirror/hex/tarballs/jason-1.4.1.tar` */
  tarball(name: string, version: string): string {
    return join(this.tarballsDir, `${name}-${version}.tar`);
  }

  /** `.mirror/upstream/hexpm/packages`: upstream's records as they came, by repository, not by URL. */
  upstreamPackagesDir(repository: string): string {
    return join(this.mirrorDir, "upstream", repository, "packages");
  }

  /** `.mirror/upstream/hexpm/packages/jason` */
  upstreamPackage(repository: string, name: string): string {
    return join(this.upstreamPackagesDir(repository), name);
  }

  /** `.mirror/upstream/hexpm/validators.json`: the ETags of these records, for conditional requests. */
  validators(repository: string): string {
    return join(this.mirrorDir, "upstream", repository, "validators.json");
  }

  /** `.mirror/upstream/hexpm/public_key`: the key that these records were verified with. */
  upstreamPublicKey(repository: string): string {
    return join(this.mirrorDir, "upstream", repository, "public_key");
  }

  /** `.mirror/git/github.com/phoenixframework/phoenix.git` */
  repository(host: string, path: string): string {
    return join(this.gitDir, hostFolder(host), ...`${path}.git`.split("/"));
  }
}

/** `jason-1.4.1.tar` → its package and version; undefined for any other name. Package names hold no `-`. */
export function parseTarballName(file: string): { name: string; version: string } | undefined {
  const match = /^([a-z][a-zA-Z0-9_]*)-(.+)\.tar$/.exec(file);
  return match?.[1] !== undefined && match[2] !== undefined ? { name: match[1], version: match[2] } : undefined;
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
