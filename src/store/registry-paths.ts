/**
 * Every path of one Hex repository: the registry that we sign and serve, and what upstream signed. The layout of the
 * first is that of `mix hex.registry build`, so that a folder made by it is served and updated in place.
 */
import { join } from "node:path";

export class RegistryPaths {
  /** `hexpm`, `hexpm:acme`, `other` */
  readonly repository: string;
  /** `.mirror/hex`, `.mirror/hex/repos/acme` */
  readonly dir: string;
  /** `.mirror/upstream/hexpm`, `.mirror/upstream/hexpm/repos/acme`: by name, whatever URL it came from. */
  readonly upstreamDir: string;

  constructor(repository: string, dir: string, upstreamDir: string) {
    this.repository = repository;
    this.dir = dir;
    this.upstreamDir = upstreamDir;
  }

  /** By its URL path below the registry: `.mirror/hex/packages/jason` */
  resource(path: string): string {
    return join(this.dir, ...path.split("/"));
  }

  /** `.mirror/hex/public_key` */
  get publicKey(): string {
    return join(this.dir, "public_key");
  }

  /** `.mirror/hex/tarballs` */
  get tarballsDir(): string {
    return join(this.dir, "tarballs");
  }

  /** `.mirror/hex/packages` */
  get packagesDir(): string {
    return join(this.dir, "packages");
  }

  /** `.mirror/hex/docs` */
  get docsDir(): string {
    return join(this.dir, "docs");
  }

  /** `.mirror/hex/tarballs/jason-1.4.1.tar` */
  tarball(name: string, version: string): string {
    return join(this.tarballsDir, `${name}-${version}.tar`);
  }

  /** `.mirror/hex/docs/jason-1.4.1.tar.gz` */
  docs(name: string, version: string): string {
    return join(this.docsDir, `${name}-${version}.tar.gz`);
  }

  /** `.mirror/upstream/hexpm/packages`: upstream's records as they came. */
  get upstreamPackagesDir(): string {
    return join(this.upstreamDir, "packages");
  }

  /** `.mirror/upstream/hexpm/packages/jason` */
  upstreamPackage(name: string): string {
    return join(this.upstreamPackagesDir, name);
  }

  /** `.mirror/upstream/hexpm/validators.json`: the ETags of these records, for conditional requests. */
  get validators(): string {
    return join(this.upstreamDir, "validators.json");
  }

  /** `.mirror/upstream/hexpm/public_key`: the key that these records were verified with. */
  get upstreamPublicKey(): string {
    return join(this.upstreamDir, "public_key");
  }

  /** All that there is of upstream, without what its organisations have below the same folder. */
  get ofUpstream(): string[] {
    return [this.upstreamPackagesDir, this.validators, this.upstreamPublicKey];
  }
}

/** `jason-1.4.1.tar` → its package and version; undefined for any other name. Package names hold no `-`. */
export function parseTarballName(file: string): { name: string; version: string } | undefined {
  return parseName(file, ".tar");
}

/** `jason-1.4.1.tar.gz` → its package and version; undefined for any other name. */
export function parseDocsName(file: string): { name: string; version: string } | undefined {
  return parseName(file, ".tar.gz");
}

function parseName(file: string, suffix: string): { name: string; version: string } | undefined {
  if (!file.endsWith(suffix)) return undefined;
  const [, name, version] = /^([a-z][a-zA-Z0-9_]*)-(.+)$/.exec(file.slice(0, -suffix.length)) ?? [];
  return name === undefined || version === undefined ? undefined : { name, version };
}
