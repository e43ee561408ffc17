/**
 * `manifest.toml` text → entries: what Gleam locks. TOML, written by Gleam as one table a line; any TOML is read:
 *
 *   packages = [
 *     { name = "gleam_stdlib", version = "0.44.0", build_tools = ["gleam"], requirements = [], otp_app = "gleam_stdlib",
 *       source = "hex", outer_checksum = "A6E5…" },
 *     { name = "one", version = "1.0.0", …, source = "git", repo = "https://github.com/…", commit = "0f1e…", path = "sub" },
 *     { name = "two", version = "1.0.0", …, source = "local", path = "../two" },
 *   ]
 *
 * Every package is hexpm's: Gleam knows no other Hex repository. https://gleam.run/writing-gleam/gleam-toml, and Gleam's
 * compiler-core/src/manifest.rs
 */
import { parse, TomlError } from "smol-toml";
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { isPackageName } from "../names/hex-names.ts";
import { hexpm } from "../names/hex-repository.ts";
import { isVersion } from "../names/versions.ts";
import type { LockEntry } from "./entries.ts";
import { refuseConflictMarkers } from "./conflict-markers.ts";

// The largest public ones have some 100 kB.
const maxSize = 8 * 1024 * 1024;

const packageSchema = z.looseObject({ name: z.string(), version: z.string(), source: z.string() });
const manifestSchema = z.looseObject({ packages: z.array(packageSchema) });
type Package = z.infer<typeof packageSchema>;

/** @param where the file's name, for errors @throws MirrorError `lock_syntax`, with line and column where there are */
export function readGleamManifest(source: string, where: string): LockEntry[] {
  if (source.length > maxSize) throw new MirrorError("lock_syntax", `${where}: larger than ${maxSize} bytes`);
  refuseConflictMarkers(source, where, "gleam deps download");
  const found = manifestSchema.safeParse(parseToml(source, where));
  if (found.success) return found.data.packages.map((each) => readPackage(each, where));
  const [issue] = found.error.issues;
  const at = issue === undefined || issue.path.length === 0 ? "" : ` at ${issue.path.join(".")}`;
  throw new MirrorError("lock_syntax", `${where}: it is no manifest of Gleam's${at}; run "gleam deps download" there`);
}

function parseToml(source: string, where: string): unknown {
  try {
    return parse(source, { integersAsBigInt: true });
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw new MirrorError("lock_syntax", `${where}: it cannot be read`, { cause });
    const { line, column } = cause;
    // What follows the first line draws where it is.
    const what = cause.message.split("\n", 1)[0] ?? "";
    throw new MirrorError("lock_syntax", `${where}:${line}:${column}: ${what}`, { data: { line, column } });
  }
}

function readPackage(each: Package, where: string): LockEntry {
  const { name, version, source } = each;
  const fail = (what: string) => new MirrorError("lock_syntax", `${where}: the package "${name}": ${what}`);
  const text = (key: string) => (typeof each[key] === "string" ? each[key] : undefined);
  if (!isPackageName(name)) throw fail("that is no package name");
  const app = text("otp_app") ?? name;
  switch (source) {
    case "hex": {
      const outerChecksum = text("outer_checksum")?.toLowerCase();
      if (!isVersion(version)) throw fail(`${JSON.stringify(version)} is no version`);
      if (outerChecksum === undefined || !/^[0-9a-f]{64}$/.test(outerChecksum)) {
        throw fail("its outer_checksum is not 64 hex digits");
      }
      return { kind: "hex", app, name, version, repository: hexpm, outerChecksum };
    }
    case "git": {
      const url = text("repo");
      const revision = text("commit")?.toLowerCase() ?? "";
      const subdir = text("path");
      if (url === undefined) throw fail("it has no repo");
      if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(revision)) throw fail("its commit is none");
      return { kind: "git", app, url, revision, options: subdir === undefined ? {} : { subdir } };
    }
    default: {
      const isPath = source === "local";
      return {
        kind: "skipped",
        app,
        reason: isPath ? "source local" : `source ${source} is neither Hex nor git`,
        isPath,
      };
    }
  }
}
