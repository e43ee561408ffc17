/** What a mirror holds, lacks or is about, by its ids. How each is shown is for whoever shows it. */

export type KindName = "packages" | "documentation" | "policies" | "repositories" | "installers" | "files";

export type Item =
  /** `repository`: `hexpm`, `hexpm:acme` or another. */
  | { readonly kind: "release"; readonly repository: string; readonly name: string; readonly version: string }
  /** Whichever release of it. */
  | { readonly kind: "package"; readonly repository: string; readonly name: string }
  | { readonly kind: "policy"; readonly repository: string; readonly name: string }
  | { readonly kind: "documentation"; readonly repository: string; readonly name: string; readonly version: string }
  /** Upstream's signed record of a package. */
  | { readonly kind: "record"; readonly repository: string; readonly name: string }
  /** Upstream's lists of all packages of hexpm. */
  | { readonly kind: "upstream-lists" }
  /** What we sign of a Hex repository. */
  | { readonly kind: "registry"; readonly repository: string }
  /** A git repository, or one commit of it. */
  | { readonly kind: "git"; readonly host: string; readonly path: string; readonly revision?: string }
  /** A file of a git repository's that lies in Git LFS, by its SHA-256. */
  | { readonly kind: "lfs"; readonly host: string; readonly path: string; readonly oid: string }
  /** A list that Mix chooses its installers from: `hex-1.x.csv` */
  | { readonly kind: "installer-list"; readonly list: string }
  /** Below `installs`: `1.17.0/hex-2.2.1-otp-27.ez` */
  | { readonly kind: "installer"; readonly path: string }
  | { readonly kind: "file"; readonly url: string }
  /** A lock that the mirror knows. */
  | { readonly kind: "lock"; readonly name: string }
  /** A lock's entry, by the name of its app, that names nothing that can be mirrored. */
  | { readonly kind: "entry"; readonly app: string }
  /** All things of one kind. */
  | { readonly kind: "all"; readonly of: KindName }
  /** What stands in the mirror's folder and does not belong there, by its path. */
  | { readonly kind: "place"; readonly path: string };

export function releaseItem(
  { repository, name }: { readonly repository: string; readonly name: string },
  version: string,
): Item {
  return { kind: "release", repository, name, version };
}

/** To tell items apart by. */
export function idOf(item: Item): string {
  return JSON.stringify(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
}
