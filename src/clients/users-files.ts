/** What the user has set for Hex and rebar3 in files of theirs: read, and nothing changed. */
import { join } from "node:path";
import type { Config } from "../config.ts";
import { readIfPresent } from "../disk/files.ts";
import { readHexTerms, type HexTerms } from "./hex-file.ts";
import { readNetrc, type NetrcEntry } from "./netrc-file.ts";
import { readRebarTerms, type RebarTerms } from "./rebar-file.ts";
import { usersEnvironment } from "./variables.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface UsersFiles {
  /** As the user has it, without what points at a mirror. */
  readonly environment: Environment;
  readonly hex: HexTerms;
  readonly rebar: RebarTerms;
  readonly netrc: readonly NetrcEntry[];
}

/** @param present with what points at a mirror, where this runs within that */
export async function readUsersFiles(
  { hexConfigFile }: Pick<Config, "hexConfigFile">,
  present: Environment,
): Promise<UsersFiles> {
  const environment = usersEnvironment(present);
  const base = environment["REBAR_GLOBAL_CONFIG_DIR"] ?? environment["HOME"] ?? "";
  const read = async (file: string) => (await readIfPresent(file).catch(() => undefined))?.toString("utf8") ?? "";
  return {
    environment,
    hex: readHexTerms(await read(hexConfigFile)),
    netrc: readNetrc(await read(environment["NETRC"] ?? join(environment["HOME"] ?? "", ".netrc"))),
    rebar: readRebarTerms(await read(join(base, ".config/rebar3/rebar.config"))),
  };
}
