/** Real packages of Hex, from a folder that has the sources of each below its name: `MIX_PACKAGES=…/`. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeTarball, type MadeTarball, type PackageSource } from "./tarballs.ts";

const root = process.env["MIX_PACKAGES"];

export function hasPackages(...names: string[]): boolean {
  return root !== undefined && names.every((name) => existsSync(join(root, name, "mix.exs")));
}

/** As it would be published. @param more files instead of its own, or besides */
export function packageTarball(
  name: string,
  requirements: NonNullable<PackageSource["requirements"]> = [],
  more: Readonly<Record<string, string>> = {},
): MadeTarball {
  const folder = join(root ?? "", name);
  const files = Object.fromEntries(
    ["lib", "priv", "extension", "mix.exs", "README.md", "VERSION"].flatMap((path) => filesIn(folder, path)),
  );
  const said = files["VERSION"] ?? /@version "([^"]+)"/.exec(files["mix.exs"] ?? "")?.[1] ?? "";
  return makeTarball({ name, version: said.trim(), requirements, files: { ...files, ...more } });
}

function filesIn(folder: string, path: string): [string, string][] {
  const full = join(folder, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [[path, readFileSync(full, "utf8")]];
  return readdirSync(full).flatMap((name) => filesIn(folder, `${path}/${name}`));
}
