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

export interface ToolFile {
  readonly url: string;
  /** What npm says of it, which is checked by one of these keys; undefined: nothing vouches for it. */
  readonly npm?: NpmCheck;
}

export interface NpmCheck {
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
  return esbuildTargets
    .filter((target) => isFor(target, targets))
    .map((target) => {
      const about = `https://registry.npmjs.org/@esbuild/${target}`;
      return { url: `${about}/-/${target}-${version}.tgz`, npm: { aboutUrl: `${about}/${version}`, keys } };
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

const esbuildTargets =
  "linux-x64 linux-arm64 linux-arm linux-ia32 darwin-x64 darwin-arm64 win32-x64 freebsd-x64 freebsd-arm64".split(" ");
