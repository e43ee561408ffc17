/** Are the commits that the locks name here, with every object of their trees? */
import { checkCommit } from "../git/check-commit.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { makePlan, type GitJob } from "../plan/plan.ts";
import { findRepository } from "../store/repositories.ts";
import type { Context } from "./context.ts";
import type { Finding, Findings } from "./findings.ts";
import { submodulesOf } from "./sync-repositories.ts";

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
  const dir = await findRepository(paths, job.host, job.path);
  for (const { revision, lock } of job.entries) {
    if (seen.has(`${url} ${revision}`)) continue;
    seen.add(`${url} ${revision}`);
    findings.checked += 1;
    if (dir === undefined) {
      findings.missing.push({ kind: "git", url, revision, lock, reason: "the repository is not here" });
      continue;
    }
    const result = await checkCommit(dir, revision, environments.own, signal);
    if (result.state === "ok") continue;
    const hint =
      result.state === "corrupt"
        ? `; "mirror-server verify --deep" moves ${dir} aside, and the next sync fetches it anew`
        : "";
    const finding: Finding = { kind: "git", url, revision, lock, reason: `${result.reason}${hint}` };
    (result.state === "missing" ? findings.missing : findings.corrupt).push(finding);
  }
  if (dir === undefined) return;
  const found = await submodulesOf(job, dir, environments, signal);
  const fresh = found.map(({ lock, entry }) => ({ name: lock, entries: [entry] }));
  const plan = makePlan(fresh, config);
  for (const { lock, app, reason } of plan.refused) {
    findings.missing.push({ kind: "git", url: app, revision: "", lock, reason });
  }
  for (const child of plan.repositories) {
    const isNew = child.entries.some(({ revision }) => !seen.has(`https://${child.host}/${child.path} ${revision}`));
    if (isNew) await verifyRepository(context, child, environments, findings, seen);
  }
}
