/**
 * The names of dependency policies, as Hex takes them in `HEX_POLICY`, `mix.exs` and its own configuration: `REPO/NAME`, of
 * an organisation `hexpm:acme/strict`. hexpm itself has none. Pure.
 */
import { isRepositoryName } from "./hex-names.ts";
import { hexpm } from "./hex-repository.ts";

export interface PolicyName {
  /** `hexpm:acme`, or another Hex repository; never `hexpm`. */
  readonly repository: string;
  readonly name: string;
}

// It becomes a path.
const policyName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

export function isPolicyName(name: string): boolean {
  return policyName.test(name);
}

/** undefined for what is none. */
export function parsePolicyName(text: string): PolicyName | undefined {
  const [repository = "", name = "", ...rest] = text.trim().split("/");
  const isOne = rest.length === 0 && repository !== hexpm && isRepositoryName(repository) && isPolicyName(name);
  return isOne ? { repository, name } : undefined;
}

export function showPolicyName({ repository, name }: PolicyName): string {
  return `${repository}/${name}`;
}
