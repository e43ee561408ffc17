/**
 * Where tailwind's and esbuild's programs lie, which the packages of these names download when they are first used:
 *
 *   tailwind   a release of GitHub's; nothing tells its checksum
 *   esbuild    a package of npm's: what npm says of it, signed, and a tarball that fits that. The keys stand in the Hex
 *              package, which upstream has signed
 *
 * Pure. https://github.com/phoenixframework/tailwind, https://github.com/phoenixframework/esbuild
 */
import type { ToolName } from "../lock/entries.ts";
import { isFor, type Targets } from "../names/platforms.ts";
import { compareVersions } from "../names/versions.ts";

export interface ToolFile {
  readonly url: string;
  /** What npm says of it, which is checked by one of these keys; undefined: nothing vouches for it. */
  readonly npm?: NpmCheck;
}

export interface NpmCheck {
  /** What npm signs is of this: `@esbuild/linux-x64@0.25.4` */
  readonly id: string;
  /** Where npm tells of it. */
  readonly aboutUrl: string;
  /** Public keys by their name, `SHA256:…`: PEM. None: the package is of before npm signed. */
  readonly keys: Readonly<Record<string, string>>;
}

/** What the Hex package of a tool says of it. */
export interface ToolPackage {
  /** Which version is taken where nobody says one; undefined: it cannot be told. */
  readonly latest?: string | undefined;
  readonly keys: NpmCheck["keys"];
}

export function toolFiles(name: ToolName, version: string, targets: Targets, { keys }: ToolPackage): ToolFile[] {
  if (name === "tailwind") {
    const release = `https://github.com/tailwindlabs/tailwindcss/releases/download/v${version}`;
    return tailwindTargets(version, targets).map((target) => ({ url: `${release}/tailwindcss-${target}` }));
  }
  return esbuildNames(version, targets).map((package_) => {
    const about = `https://registry.npmjs.org/${package_}`;
    const file = package_.slice(package_.lastIndexOf("/") + 1);
    const npm = { id: `${package_}@${version}`, aboutUrl: `${about}/${version}`, keys };
    return { url: `${about}/-/${file}-${version}.tgz`, npm };
  });
}

const linux = ["linux-x64", "linux-arm64"];
const others = ["macos-x64", "macos-arm64", "windows-x64.exe"];

/** From version 4 on there is one for musl besides; before, one was for both, and there was one for 32 bits. */
function tailwindTargets(version: string, targets: Targets): string[] {
  const isOld = /^[0-3]\./.test(version);
  const named = (name: string) => isFor(name, targets);
  return [
    ...linux.filter((target) => named(isOld ? target : `${target}-gnu`)),
    ...(isOld ? ["linux-armv7"].filter(named) : linux.map((target) => `${target}-musl`).filter(named)),
    ...others.filter(named),
  ];
}

/** Before 0.16 they were packages without a scope, and named otherwise. */
function esbuildNames(version: string, targets: Targets): string[] {
  const isOld = compareVersions(version, "0.16.0") < 0;
  const [names, prefix] = isOld ? [oldEsbuildTargets, "esbuild-"] : [esbuildTargets, "@esbuild/"];
  return Object.entries(names)
    .filter(([, platform]) => isFor(platform, targets))
    .map(([name]) => `${prefix}${name}`);
}

/** Each by the machine that it is for. */
const esbuildTargets = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "linux-arm": "linux-arm",
  "linux-ia32": "linux-ia32",
  "darwin-x64": "darwin-x64",
  "darwin-arm64": "darwin-arm64",
  "win32-x64": "win32-x64",
  "freebsd-x64": "freebsd-x64",
  "freebsd-arm64": "freebsd-arm64",
};
const oldEsbuildTargets = {
  "linux-64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "linux-arm": "linux-arm",
  "linux-32": "linux-ia32",
  "darwin-64": "darwin-x64",
  "darwin-arm64": "darwin-arm64",
  "windows-64": "win32-x64",
  "freebsd-64": "freebsd-x64",
  "freebsd-arm64": "freebsd-arm64",
};
