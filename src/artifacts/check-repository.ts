/** Are the commits of a git repository that locks name here, with every object of their trees? */
import type { Place } from "../disk/place.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { checkCommit, type CommitState } from "../git/check-commit.ts";
import { packDamage } from "../git/check-packs.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository } from "../git/inspect.ts";
import type { GitJob } from "../plan/repositories.ts";
import type { Checked, Problem } from "./artifact.ts";

interface Tools {
  readonly environments: GitEnvironments;
  readonly signal: AbortSignal;
}

/** @param place undefined: it is not here */
export async function* checkRepository(
  place: Place | undefined,
  { host, path, entries }: GitJob,
  tools: Tools,
): AsyncIterable<Checked> {
  const check = place === undefined ? undefined : await openCheck(place, tools);
  const seen = new Set<string>();
  for (const { revision, lock, app } of entries) {
    if (seen.has(revision)) continue;
    seen.add(revision);
    const problem = check === undefined ? notHere : await check(revision);
    yield {
      item: { kind: "git", host, path, revision },
      problems: problem === undefined ? [] : [{ ...problem, lock, app }],
    };
  }
}

type Check = (revision: string) => Promise<Problem | undefined>;

const notHere: Problem = { state: "missing", reason: "the repository is not here" };

async function openCheck(place: Place, { environments, signal }: Tools): Promise<Check> {
  const byDeep = `"mirror-server verify --deep" puts ${place.path} into quarantine, and the next sync fetches it anew`;
  const damaged = (reason: string, remedy = byDeep): Problem => ({ state: "damaged", reason: `${reason}; ${remedy}` });
  const inspection = inspectRepository(place, environments.features);
  const isReplaced = "the next sync fetches it anew";
  // In what is no plain repository no git is run.
  if (inspection.state !== "plain") {
    const problem = damaged(inspection.reason, inspection.state === "refused" ? byDeep : isReplaced);
    return async () => problem;
  }
  const damage = await packDamage(place, signal);
  if (damage !== undefined) return async () => damaged(damage, isReplaced);
  const repository = BareRepository.open(place, { environments, signal });
  return async (revision) => {
    const result: CommitState = await checkCommit(repository, revision);
    if (result.state === "ok") return undefined;
    return result.state === "missing" ? { state: "missing", reason: result.reason } : damaged(result.reason);
  };
}
