/**
 * Which dependency policies Hex will ask for in a project: what its `mix.exs` says, and what the user has set for all
 * projects, in the environment or in Hex's configuration. Without them Hex brings no package.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { readHexConfigPolicy } from "../hex/hex-config.ts";
import { readProjectPolicy } from "../lock/mix-project.ts";
import { parsePolicyName, showPolicyName, type PolicyName } from "../names/policy-names.ts";

/** @param folder of the project */
export async function projectPolicies(
  folder: string,
  { hexPolicy, hexConfigFile }: Pick<Config, "hexPolicy" | "hexConfigFile">,
): Promise<PolicyName[]> {
  const text = async (file: string) => readFile(file, "utf8").catch(() => "");
  const project = readProjectPolicy(await text(join(folder, "mix.exs")));
  // An empty variable takes back what stands elsewhere.
  const users = hexPolicy ?? readHexConfigPolicy(await text(hexConfigFile)) ?? "";
  const found = [project, parsePolicyName(users)].filter((each) => each !== undefined);
  return [...new Map(found.map((each) => [showPolicyName(each), each])).values()];
}
