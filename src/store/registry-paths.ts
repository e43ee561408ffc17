/**
 * Every path of one Hex repository: the registry that we sign and serve, and what upstream signed. The layout of the
 * first is that of `mix hex.registry build`, so that a folder made by it is served and updated in place.
 */
import type { Place } from "../disk/place.ts";

export class RegistryPaths {
  /** `hexpm`, `hexpm:acme`, `other` */
  readonly repository: string;
  /** `.mirror/hex`, `.mirror/hex/repos/acme` */
  readonly dir: Place;
  /** `.mirror/upstream/hexpm`, `.mirror/upstream/hexpm/repos/acme`: by name, whatever URL it came from. */
  readonly upstreamDir: Place;
  /** `.mirror/history/hexpm`, `.mirror/history/hexpm/repos/acme` */
  readonly historyDir: Place;
  /** `.mirror/added/hexpm`, `.mirror/added/local`: what people put in, and that nobody may replace. */
  readonly addedDir: Place;

  constructor(repository: string, places: Readonly<Record<"dir" | "upstreamDir" | "historyDir" | "addedDir", Place>>) {
    this.repository = repository;
    this.dir = places.dir;
    this.upstreamDir = places.upstreamDir;
    this.historyDir = places.historyDir;
    this.addedDir = places.addedDir;
  }

  /** By its URL path below the registry: `.mirror/hex/packages/jason` */
  resource(path: string): Place {
    return this.dir.at(path);
  }

  /** `.mirror/hex/public_key` */
  get publicKey(): Place {
    return this.dir.at("public_key");
  }

  /** `.mirror/hex/tarballs` */
  get tarballsDir(): Place {
    return this.dir.at("tarballs");
  }

  /** `.mirror/hex/packages` */
  get packagesDir(): Place {
    return this.dir.at("packages");
  }

  /** `.mirror/hex/docs` */
  get docsDir(): Place {
    return this.dir.at("docs");
  }

  /** `.mirror/hex/tarballs/jason-1.4.1.tar` */
  tarball(name: string, version: string): Place {
    return this.tarballsDir.at(`${name}-${version}.tar`);
  }

  /** `.mirror/hex/docs/jason-1.4.1.tar.gz` */
  docs(name: string, version: string): Place {
    return this.docsDir.at(`${name}-${version}.tar.gz`);
  }

  /** `.mirror/hex/repos/acme/policies` */
  get policiesDir(): Place {
    return this.dir.at("policies");
  }

  /** `.mirror/hex/repos/acme/policies/strict` */
  policy(name: string): Place {
    return this.policiesDir.at(name);
  }

  /** `.mirror/upstream/hexpm/repos/acme/policies`: upstream's policies as they came. */
  get upstreamPoliciesDir(): Place {
    return this.upstreamDir.at("policies");
  }

  /** `.mirror/upstream/hexpm/repos/acme/policies/strict` */
  upstreamPolicy(name: string): Place {
    return this.upstreamPoliciesDir.at(name);
  }

  /** `.mirror/upstream/hexpm/packages`: upstream's records as they came. */
  get upstreamPackagesDir(): Place {
    return this.upstreamDir.at("packages");
  }

  /** `.mirror/upstream/hexpm/packages/jason` */
  upstreamPackage(name: string): Place {
    return this.upstreamPackagesDir.at(name);
  }

  /** `.mirror/history/hexpm/jason.jsonl` */
  history(name: string): Place {
    return this.historyDir.at(`${name}.jsonl`);
  }

  /** `.mirror/added/local/acme.jsonl` */
  added(name: string): Place {
    return this.addedDir.at(`${name}.jsonl`);
  }

  /** `.mirror/upstream/hexpm/validators.json`: the ETags of these records, for conditional requests. */
  get validators(): Place {
    return this.upstreamDir.at("validators.json");
  }

  /** `.mirror/upstream/hexpm/public_key`: the key that these records were verified with. */
  get upstreamPublicKey(): Place {
    return this.upstreamDir.at("public_key");
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
