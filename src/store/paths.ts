/**
 * Every place in the mirror, and nothing else; those of one Hex repository are in registry-paths. Whatever is put into
 * a path was checked where it was read (hex/names, git/url, plan/files), from our own files too.
 */
import { createHash } from "node:crypto";
import { basename, dirname, isAbsolute, relative, sep } from "node:path";
import { Place } from "../disk/place.ts";
import { organisationOf, servedName, sourceOf } from "../names/hex-repository.ts";
import { RegistryPaths } from "./registry-paths.ts";
import { certsPlace } from "../tls/certs-files.ts";
import { holdsRepositories, isCache, isMirror, isRegistry } from "../disk/folder-kinds.ts";

export interface StoreFolders {
  readonly mirror: string;
  readonly hexDir: string;
  readonly gitDir: string;
  readonly cacheDir: string;
  readonly certsDir: string;
  readonly privateKey: string;
  /** Whether it is a replica's, whose mirror comes from elsewhere. */
  readonly readOnly?: boolean;
}

export class StorePaths {
  readonly mirror: Place;
  readonly hex: Place;
  readonly git: Place;
  /** What can be made again at any time. */
  readonly cache: Place;
  readonly certs: Place;
  readonly privateKey: Place;

  constructor({ mirror, hexDir, gitDir, cacheDir, certsDir, privateKey, readOnly = false }: StoreFolders) {
    this.mirror = Place.root({
      dir: mirror,
      option: "--mirror",
      noun: "a mirror",
      isOne: isMirror,
      isAwaited: readOnly,
    });
    // Where they lie elsewhere, the mirror's own folder has no say.
    const within = (dir: string) => placeAbove(dir, this.mirror);
    this.hex = Place.root({
      dir: hexDir,
      option: "--hex-dir",
      noun: "a registry",
      isOne: isRegistry,
      within: within(hexDir),
    });
    this.git = Place.root({
      dir: gitDir,
      option: "--git-dir",
      noun: "a folder of bare repositories",
      isOne: holdsRepositories,
      within: within(gitDir),
    });
    this.cache = cachePlace(cacheDir);
    this.certs = certsPlace(certsDir);
    this.privateKey = keyPlace(privateKey, this.mirror);
  }

  /** `.mirror/mirror.json` */
  get mirrorFile(): Place {
    return this.mirror.at("mirror.json");
  }

  /** `.mirror/.gitignore` */
  get gitignore(): Place {
    return this.mirror.at(".gitignore");
  }

  /** `.mirror/.gitattributes` */
  get gitattributes(): Place {
    return this.mirror.at(".gitattributes");
  }

  /** `.mirror/.lock`, a folder of its own: taking and giving back the lock touches no other mtime. */
  get lockDir(): Place {
    return this.mirror.at(".lock");
  }

  /** `.mirror/.lock/last-sync` */
  get lastSync(): Place {
    return this.lockDir.at("last-sync");
  }

  /** `.mirror/.lock/origins.json` */
  get lockOrigins(): Place {
    return this.lockDir.at("origins.json");
  }

  /** `.mirror/.lock/unsigned.json` */
  get unsigned(): Place {
    return this.lockDir.at("unsigned.json");
  }

  /** `.mirror/.lock/git/0f1e…`: held while that repository is brought. */
  repositoryLock(host: string, path: string): Place {
    const name = createHash("sha256").update(`${host}/${path}`.toLowerCase()).digest("hex").slice(0, 32);
    return this.lockDir.at(`git/${name}`);
  }

  /** `.mirror/locks` */
  get knownLocksDir(): Place {
    return this.mirror.at("locks");
  }

  /** `.mirror/locks/my_app.json` */
  knownLock(name: string): Place {
    return this.knownLocksDir.at(`${name}.json`);
  }

  /** `.mirror/upstream` */
  get upstreamDir(): Place {
    return this.mirror.at("upstream");
  }

  /** `.mirror/history`: which checksums upstream signed, and since when that is known. */
  get historyDir(): Place {
    return this.mirror.at("history");
  }

  /** `.mirror/added`: which releases were put in by `add`. */
  get addedDir(): Place {
    return this.mirror.at("added");
  }

  /** `.mirror/hex/repos`: the repositories besides hexpm. */
  get reposDir(): Place {
    return this.hex.at("repos");
  }

  /** The paths of a Hex repository by its name in locks: `hexpm`, `hexpm:acme`, `other` */
  registry(repository: string): RegistryPaths {
    const served = servedName(repository);
    const organisation = organisationOf(repository);
    const below = [sourceOf(repository), ...(organisation === undefined ? [] : ["repos", organisation])].join("/");
    return new RegistryPaths(repository, {
      dir: served === undefined ? this.hex : this.reposDir.at(served),
      upstreamDir: this.upstreamDir.at(below),
      historyDir: this.historyDir.at(below),
      addedDir: this.addedDir.at(below),
    });
  }

  /** `.mirror/hex/installs`: what `mix local.hex` and `mix local.rebar` download. */
  get installsDir(): Place {
    return this.hex.at("installs");
  }

  /** `.mirror/upstream/installers.json` */
  get absentLists(): Place {
    return this.upstreamDir.at("installers.json");
  }

  /** `.mirror/files`: other files, by host and path. */
  get filesDir(): Place {
    return this.mirror.at("files");
  }

  /** `.mirror/files.json`: the checksum of each. */
  get fileChecksums(): Place {
    return this.mirror.at("files.json");
  }

  /** `.mirror/files/github.com/owner/repo/releases/download/v1/tool` */
  file(host: string, path: string): Place {
    return this.filesDir.at(this.filePath(host, path));
  }

  /** `github.com/owner/repo/releases/download/v1/tool`, below `files` */
  filePath(host: string, path: string): string {
    return `${hostFolder(host)}/${path.replace(/^\/+/, "")}`;
  }

  /** `.mirror/quarantine`: where what is damaged is kept from clients. */
  get quarantine(): Place {
    return this.mirror.at("quarantine");
  }

  /** `.mirror/git/github.com/phoenixframework/phoenix.git` */
  repository(host: string, path: string): Place {
    return this.git.at(`${hostFolder(host)}/${path}.git`);
  }
}

export function cachePlace(dir: string): Place {
  return Place.root({ dir, option: "--cache-dir", noun: "a cache of ours", isOne: isCache, isTrusted: true });
}

/** The place that a folder lies directly in, where that is the mirror or below it. */
function placeAbove(dir: string, mirror: Place): Place | undefined {
  const above = relative(mirror.path, dirname(dir));
  if (above === "") return mirror;
  return above.startsWith("..") || isAbsolute(above) ? undefined : mirror.at(above.split(sep).join("/"));
}

/** A key may lie anywhere, and be read through links; it is made where no link leads. */
function keyPlace(file: string, mirror: Place): Place {
  if (dirname(file) === mirror.path) return mirror.at(basename(file));
  const folder = { dir: dirname(file), option: "--private-key", noun: "a folder", isOne: () => true };
  return Place.root(folder).at(basename(file));
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
