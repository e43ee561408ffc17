/**
 * What the stack that this replaces left beside a project: a registry of `mix hex.registry build`, bare repositories, and the
 * key, in folders that people copied from one another.
 */
import { join } from "node:path";
import { isFile } from "../disk/files.ts";
import { holdsRepositories, isRegistry } from "../disk/folder-kinds.ts";

/** By the options that serve it where it is; paths from the project. */
export interface OldStack {
  readonly hexDir?: string;
  readonly gitDir?: string;
  readonly privateKey?: string;
}

/** @returns undefined where there is none */
export function oldStackIn(folder: string): OldStack | undefined {
  const hexDir = [".hex_repo", "hex_repo"].find((name) => isRegistry(join(folder, name)));
  const gitDir = [".git_repo", "git_repo"].find((name) => holdsRepositories(join(folder, name)));
  if (hexDir === undefined && gitDir === undefined) return undefined;
  const hasKey = hexDir !== undefined && isFile(join(folder, "private_key.pem"));
  return {
    ...(hexDir === undefined ? {} : { hexDir }),
    ...(gitDir === undefined ? {} : { gitDir }),
    ...(hasKey ? { privateKey: "private_key.pem" } : {}),
  };
}

/** In a line, for who works beside it. */
export function describeOldStack({ hexDir, gitDir }: OldStack): string {
  const what = [hexDir, gitDir].filter((name) => name !== undefined).join(" and ");
  return `${what} here ${hexDir !== undefined && gitDir !== undefined ? "are" : "is"} of the older stack: "mirror-server init" sets that up to be served where it is`;
}
