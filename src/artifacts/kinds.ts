/** All kinds of things that a mirror consists of, for who does the same with each. */
import type { FileJob } from "../plan/files.ts";
import type { PackageJob } from "../plan/packages.ts";
import type { PolicyJob } from "../plan/policies.ts";
import type { GitJob } from "../plan/repositories.ts";
import type { Artifact } from "./artifact.ts";
import type { DocumentationJob } from "./documentation.ts";
import type { InstallerJob } from "./installers.ts";

export interface Kinds {
  readonly packages: Artifact<PackageJob>;
  readonly documentation: Artifact<DocumentationJob>;
  readonly policies: Artifact<PolicyJob>;
  readonly repositories: Artifact<GitJob>;
  readonly installers: Artifact<InstallerJob>;
  readonly files: Artifact<FileJob>;
}

/** In the order in which people are told of them. */
export function eachKind<R>(kinds: Kinds, use: <Job>(kind: Artifact<Job>) => R): R[] {
  const { packages, documentation, policies, repositories, installers, files } = kinds;
  return [use(packages), use(documentation), use(policies), use(repositories), use(installers), use(files)];
}

/** One after the other. */
export async function inTurn<R>(kinds: Kinds, use: <Job>(kind: Artifact<Job>) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const begin of eachKind(kinds, (kind) => async () => use(kind))) results.push(await begin());
  return results;
}
