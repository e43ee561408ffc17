/** Are the commits of a git repository that locks name here, with every object of their trees? */
import type { Place } from "../disk/place.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { checkCommit, type CommitState } from "../git/check-commit.ts";
import { packDamage } from "../git/check-packs.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository } from "../git/inspect.ts";
import { lfsPlace, listLfsObjects, type LfsObject } from "../git/lfs.ts";
import type { GitJob } from "../plan/repositories.ts";
import { hashFile } from "./hash-file.ts";
import type { Checked, Problem } from "./artifact.ts";

interface Tools {
  /** Whether what commits point to in Git LFS is wanted too. */
  readonly lfs: boolean;
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
    const { problem, repository } = check === undefined ? notHere : await check(revision);
    const problemsOf = (found: Problem | undefined) => (found === undefined ? [] : [{ ...found, lock, app }]);
    yield { item: { kind: "git", host, path, revision }, problems: problemsOf(problem) };
    for (const object of repository === undefined || !tools.lfs ? [] : await listLfsObjects(repository, revision)) {
      if (seen.has(object.oid)) continue;
      seen.add(object.oid);
      const found = await lfsProblem(place, object);
      yield { item: { kind: "lfs", host, path, oid: object.oid }, problems: problemsOf(found) };
    }
  }
}

/** Its files in Git LFS lie beside it. */
async function lfsProblem(repository: Place | undefined, object: LfsObject): Promise<Problem | undefined> {
  const file = repository === undefined ? undefined : lfsPlace(repository, object.oid);
  if (file?.isFile() !== true) return { state: "missing", reason: "it is not here" };
  return (await hashFile(file)) === object.oid ? undefined : { state: "damaged", reason: "its SHA-256 is another" };
}

interface Looked {
  readonly problem: Problem | undefined;
  /** To read what its commit holds; undefined where that cannot be read. */
  readonly repository?: BareRepository;
}

type Check = (revision: string) => Promise<Looked>;

const notHere: Looked = { problem: { state: "missing", reason: "the repository is not here" } };

async function openCheck(place: Place, { environments, signal }: Omit<Tools, "lfs">): Promise<Check> {
  const byDeep = `"mirror-server verify --deep" puts ${place.path} into quarantine, and the next sync fetches it anew`;
  const damaged = (reason: string, remedy = byDeep): Problem => ({ state: "damaged", reason: `${reason}; ${remedy}` });
  const inspection = inspectRepository(place, environments.features);
  const isReplaced = "the next sync fetches it anew";
  // In what is no plain repository no git is run.
  if (inspection.state !== "plain") {
    const problem = damaged(inspection.reason, inspection.state === "refused" ? byDeep : isReplaced);
    return async () => ({ problem });
  }
  const damage = await packDamage(place, signal);
  if (damage !== undefined) return async () => ({ problem: damaged(damage, isReplaced) });
  const repository = BareRepository.open(place, { environments, signal });
  return async (revision) => {
    const result: CommitState = await checkCommit(repository, revision);
    if (result.state === "ok") return { problem: undefined, repository };
    const { reason } = result;
    return { problem: result.state === "missing" ? { state: "missing", reason } : damaged(reason) };
  };
}
