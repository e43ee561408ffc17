/**
 * Which installers `mix local.hex` and `mix local.rebar` will ask for, from the lists that they choose from. Pure.
 *
 *   hex-1.x.csv, rebar3-1.x.csv    Elixir up to 1.18.3     VERSION,SHA512,ELIXIR[,ELIXIR…]
 *   hex.csv, rebar.csv             Elixir from 1.18.4 on   VERSION,SHA512,ELIXIR,OTP
 *
 * Mix reads a list from its end and takes the first line that its Elixir and OTP are new enough for; the directory and
 * the suffix of what it downloads are those of that line. Source: lib/mix/lib/mix/local.ex of Elixir 1.14 to 1.19.
 */
import type { InstallerTarget } from "../options.ts";
import { compareVersions, isVersion } from "../names/versions.ts";

export interface InstallerList {
  /** `hex.csv` */
  readonly name: string;
  /** What is downloaded, `hex` or `rebar3`, and what follows its version. */
  readonly program: string;
  readonly suffix: string;
  /** Whether a line names an OTP release. */
  readonly hasOtp: boolean;
  /** The Elixir versions that read it: from this one on, and those before that. */
  readonly readFrom?: string;
  readonly readBefore?: string;
}

export const installerLists: readonly InstallerList[] = [
  { name: "hex-1.x.csv", program: "hex", suffix: ".ez", hasOtp: false, readBefore: "1.18.4" },
  { name: "rebar3-1.x.csv", program: "rebar3", suffix: "", hasOtp: false, readBefore: "1.18.4" },
  { name: "rebar-1.x.csv", program: "rebar", suffix: "", hasOtp: false, readBefore: "1.14.0" },
  { name: "hex.csv", program: "hex", suffix: ".ez", hasOtp: true, readFrom: "1.18.4" },
  { name: "rebar.csv", program: "rebar3", suffix: "", hasOtp: true, readFrom: "1.18.4" },
];

export interface Installer {
  /** Below `installs`: `1.17.0/hex-2.2.1-otp-27.ez` */
  readonly path: string;
  /** 128 lower-case hex digits. */
  readonly sha512: string;
}

interface Line {
  readonly version: string;
  readonly sha512: string;
  readonly elixirs: readonly string[];
  readonly otp: string | undefined;
}

// Mix of older versions is hardly run any more, and the lists go back to 2014.
const oldestElixir = "1.12.0";
// Above any patch release that will ever be.
const anyPatch = "999";

function isReadBy({ readFrom, readBefore }: InstallerList, elixir: string): boolean {
  const isNewEnough = readFrom === undefined || compareVersions(elixir, readFrom) >= 0;
  return isNewEnough && (readBefore === undefined || compareVersions(elixir, readBefore) < 0);
}

/** @param targets empty: every Elixir from 1.12 on, on every OTP that the list knows; `any`: older ones, too */
export function wantedInstallers(
  csv: string,
  list: InstallerList,
  targets: readonly InstallerTarget[] | "any",
): readonly Installer[] {
  const lines = parse(csv, list);
  const known = [...new Set(lines.flatMap(({ elixirs }) => elixirs))];
  const all =
    targets === "any" ? known : [oldestElixir, ...known.filter((elixir) => compareVersions(elixir, oldestElixir) >= 0)];
  const isNarrow = targets !== "any" && targets.length > 0;
  const wanted = new Map<string, Installer>();
  for (const target of isNarrow ? targets : all.map((elixir) => ({ elixir, otp: undefined }))) {
    for (const elixir of patchReleases(target.elixir)) {
      if (isNarrow && !isReadBy(list, elixir)) continue;
      for (const otp of target.otp === undefined ? otpReleases(lines) : [target.otp]) {
        const line = choose(lines, elixir, otp);
        if (line !== undefined) wanted.set(line.path, line);
      }
    }
  }
  return [...wanted.values()];

  function choose(from: readonly Line[], elixir: string, otp: string): Installer | undefined {
    for (const line of from.toReversed()) {
      const fits = line.elixirs.find((needed) => compareVersions(needed, elixir) <= 0);
      // Compared as text, as Mix does.
      if (fits === undefined || (line.otp !== undefined && line.otp > otp)) continue;
      return { path: pathOf(line, fits, list), sha512: line.sha512 };
    }
    return undefined;
  }
}

// `1.17.0/hex-2.2.1-otp-27.ez`
const installerPath = /^\d+\.\d+\.\d+[^/]*\/(?:hex|rebar3?)-\d+\.\d+\.\d+[^/]*$/;

/** Whether a list could name it, by its path below `installs`. */
export function isInstallerPath(path: string): boolean {
  return installerPath.test(path);
}

/** Installers of the same version for the same Elixir and OTP that two lists give other checksums, by path. */
export function replacedInstallers(
  before: string,
  after: string,
  list: InstallerList,
): { path: string; version: string }[] {
  const known = checksums(before, list);
  return [...checksums(after, list)].flatMap(([path, { sha512, version }]) => {
    const other = known.get(path);
    return other === undefined || other.sha512 === sha512 ? [] : [{ path, version }];
  });
}

function checksums(csv: string, list: InstallerList): Map<string, { sha512: string; version: string }> {
  const lines = parse(csv, list);
  return new Map(
    lines.flatMap((line) =>
      line.elixirs.map(
        (elixir) => [pathOf(line, elixir, list), { sha512: line.sha512, version: line.version }] as const,
      ),
    ),
  );
}

function pathOf({ version, otp }: Line, elixir: string, { program, suffix }: InstallerList): string {
  return `${elixir}/${program}-${version}${otp === undefined ? "" : `-otp-${otp}`}${suffix}`;
}

/** Lines that say something else are passed over, as a list of tomorrow may hold some. */
function parse(csv: string, { hasOtp }: InstallerList): Line[] {
  return csv.split(/\r?\n/).flatMap((text) => {
    const [version = "", sha512 = "", ...rest] = text.split(",");
    const elixirs = hasOtp ? rest.slice(0, 1) : rest;
    const otp = hasOtp ? rest[1] : undefined;
    const isKnown = isVersion(version) && /^[0-9a-f]{128}$/.test(sha512) && elixirs.length > 0;
    if (!isKnown || !elixirs.every(isVersion) || (hasOtp && !/^\d{2,3}$/.test(otp ?? ""))) return [];
    return [{ version, sha512, elixirs, otp }];
  });
}

function otpReleases(lines: readonly Line[]): string[] {
  const releases = [...new Set(lines.map(({ otp }) => otp).filter((otp) => otp !== undefined))];
  // A list without OTP releases is asked once, whatever the release.
  return releases.length === 0 ? [""] : releases;
}

function patchReleases(elixir: string): string[] {
  return elixir.split(".").length === 3 ? [elixir] : [`${elixir}.0`, `${elixir}.${anyPatch}`];
}
