/** Are the commits that the locks name here, with every object of their trees? */
import { checkCommit, type CommitState } from "../git/check-commit.ts";
import { packDamage } from "../git/check-packs.ts";
import { BareRepository } from "../git/bare-repository.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { inspectRepository } from "../git/inspect.ts";
import { makePlan, type GitJob } from "../plan/plan.ts";
import type { Context } from "./context.ts";
import type { Finding, Findings } from "./findings.ts";
import { demandOf, heldAt, submodulesOf } from "./sync-repositories.ts";

/** A repository and, where an entry asks for them, its submodules, all the way down. */
export async function verifyRepository(
  context: Context,
  job: GitJob,
  environments: GitEnvironments,
  findings: Findings,
  seen: Set<string>,
): Promise<void> {
  const { paths, signal, config } = context;
  const url = `https://${job.host}/${job.path}`;
  const fresh = job.entries.filter((entry) => !seen.has(demandOf(job, entry)));
  if (fresh.length === 0) return;
  for (const entry of fresh) seen.add(demandOf(job, entry));
  const place = await heldAt(paths, job);
  const inspection = place === undefined ? undefined : inspectRepository(place, environments.features);
  const foreign = inspection === undefined || inspection.state === "plain" ? undefined : inspection.reason;
  const damage = foreign ?? (place === undefined ? undefined : await packDamage(place, signal));
  // In what is no plain repository no git is run, to ask for submodules either.
  const repository =
    place === undefined || foreign !== undefined ? undefined : BareRepository.open(place, { environments, signal });
  for (const { revision, lock } of fresh) {
    // With and without submodules it is one commit.
    if (seen.has(`${url} ${revision}`)) continue;
    seen.add(`${url} ${revision}`);
    findings.checked += 1;
    if (place === undefined) {
      findings.missing.push({ kind: "git", url, revision, lock, reason: "the repository is not here" });
      continue;
    }
    const result: CommitState =
      repository === undefined || damage !== undefined
        ? { state: "corrupt", reason: damage ?? "" }
        : await checkCommit(repository, revision);
    if (result.state === "ok") continue;
    const aside = `"mirror-server verify --deep" moves ${place.path} aside, and the next sync fetches it anew`;
    const isReplaced = damage !== undefined && inspection?.state !== "refused";
    const hint = isReplaced ? "the next sync fetches it anew" : aside;
    const reason = result.state === "corrupt" ? `${result.reason}; ${hint}` : result.reason;
    const finding: Finding = { kind: "git", url, revision, lock, reason };
    (result.state === "missing" ? findings.missing : findings.corrupt).push(finding);
  }
  if (repository === undefined || damage !== undefined) return;
  const found = await submodulesOf({ ...job, entries: fresh }, repository);
  const nested = found.map(({ lock, entry }) => ({ name: lock, entries: [entry] }));
  const plan = makePlan(nested, config);
  for (const { lock, app, reason } of plan.refused) {
    findings.missing.push({ kind: "git", url: app, revision: "", lock, reason });
  }
  for (const child of plan.repositories) await verifyRepository(context, child, environments, findings, seen);
}
