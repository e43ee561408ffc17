/**
 * What locks name, kept and advertised. A commit must be reachable from an advertised head, or Mix cannot check it out after
 * its fetch of all heads: one that upstream no longer reaches (a force-push) is therefore advertised as
 * `refs/heads/mirror-server/SHA`. A lock may also name an annotated tag by its own id, which git checks out as well: then the
 * tag is advertised, as `refs/tags/mirror-server/SHA` where upstream has it no more, and the commit that it stands for.
 */
import { MirrorError } from "../errors.ts";
import type { BareRepository } from "./bare-repository.ts";
import { stderrOf } from "./run.ts";

const heads = "refs/heads/mirror-server/";
const tags = "refs/tags/mirror-server/";
/** The folder of pins: an upstream that has a branch of that name leaves no room for them. */
export const pinsFolder = heads.slice(0, -1);

export function isPin(ref: string): boolean {
  return ref.startsWith(heads) || ref.startsWith(tags);
}

export function pinOf(commit: string): string {
  return `${heads}${commit}`;
}

/** What a revision is here. */
interface Known {
  readonly revision: string;
  /** What it stands for; another than the revision where that is a tag. */
  readonly commit: string;
}

/** Those that are here and stand for a commit, which need not be whole. */
async function known(repository: BareRepository, revisions: readonly string[]): Promise<Known[]> {
  if (revisions.length === 0) return [];
  const input = revisions.map((revision) => `${revision}^{commit}\n`).join("");
  const lines = (await repository.run(["cat-file", "--batch-check"], { input })).split("\n");
  return revisions.flatMap((revision, index) => {
    const [commit = "", type] = lines[index]?.split(" ") ?? [];
    return type === "commit" ? [{ revision, commit }] : [];
  });
}

/** The commit that a revision is, or stands for as a tag; undefined where it is not here. */
export async function commitOf(repository: BareRepository, revision: string): Promise<string | undefined> {
  return (await known(repository, [revision]))[0]?.commit;
}

/**
 * Those of the revisions that no head leads to, or that are not here: in one walk, however many there are.
 * @param excluded heads that do not count, as options of `git rev-list`
 */
export async function unreachable(
  repository: BareRepository,
  revisions: readonly string[],
  excluded: readonly string[] = [],
): Promise<Set<string>> {
  const here = await known(repository, revisions);
  const absent = revisions.filter((revision) => !here.some((each) => each.revision === revision));
  if (here.length === 0) return new Set(absent);
  const commits = here.map(({ commit }) => commit);
  const { code, stdout } = await repository.try(["rev-list", ...commits, "--not", ...excluded, "--branches"]);
  // Where the history of one is not whole, none is taken for advertised.
  if (code !== 0) return new Set(revisions);
  const outside = new Set(stdout.toString("latin1").split("\n"));
  const refs = new Set((await repository.refs()).values());
  const isHidden = ({ revision, commit }: Known) => outside.has(commit) || (revision !== commit && !refs.has(revision));
  return new Set([...absent, ...here.filter(isHidden).map(({ revision }) => revision)]);
}

/** Makes sure that `revision`, which no head leads to, is here, and advertises it. @throws MirrorError `not_found` */
export async function pin(repository: BareRepository, revision: string, fetch: () => Promise<void>): Promise<void> {
  if (!(await hasWhole(repository, revision))) {
    await fetch().catch((cause: unknown) => {
      if (!saysNotThere(cause)) throw cause;
      throw absent(`upstream does not have the locked commit ${revision}`, cause);
    });
    if (!(await hasWhole(repository, revision))) throw absent(`upstream's ${revision} is no commit`);
  }
  await repository.updateRefs(await pinsFor(repository, [revision]));
}

function absent(message: string, cause?: unknown): MirrorError {
  return new MirrorError("not_found", message, { cause, data: { isCommit: true } });
}

/** Whether a repository was there, without the commit. */
export function saysCommitIsAbsent(error: unknown): boolean {
  return error instanceof MirrorError && error.data["isCommit"] === true;
}

/** Commands that pin what is here of the revisions. */
export async function pinsFor(repository: BareRepository, revisions: readonly string[]): Promise<string[]> {
  const commands = (await known(repository, revisions)).flatMap(({ revision, commit }) => [
    `update ${heads}${commit} ${commit}\n`,
    ...(revision === commit ? [] : [`update ${tags}${revision} ${revision}\n`]),
  ]);
  // A commit may be wanted by itself and by its tag.
  return [...new Set(commands)];
}

/** An outage must not look like a commit that is not there. */
function saysNotThere(error: unknown): boolean {
  return /not our ref|unadvertised object|couldn't find remote ref|not a valid ref/i.test(stderrOf(error));
}

/** With all that it leads to and no ref does: a transfer that broke may have left a commit without its files. */
async function hasWhole(repository: BareRepository, revision: string): Promise<boolean> {
  const commit = `${revision}^{commit}`;
  if ((await repository.try(["cat-file", "-e", commit])).code !== 0) return false;
  return (await repository.try(["rev-list", "--objects", "--quiet", commit, "--not", "--all"])).code === 0;
}

/** What upstream's own heads and tags lead to needs no pin. @param kept a pin that HEAD stands on @returns whether one went */
export async function dropNeedlessPins(repository: BareRepository, kept: string | undefined): Promise<boolean> {
  const refs = await repository.refs();
  const commits = [...refs.keys()].filter((ref) => ref.startsWith(heads)).map((ref) => ref.slice(heads.length));
  const needed = await unreachable(repository, commits, ["--exclude=mirror-server/*"]);
  const needless = commits.filter((commit) => !needed.has(commit)).map(pinOf);
  const own = new Set([...refs].filter(([ref]) => !isPin(ref)).map(([, id]) => id));
  const tagged = [...refs].filter(([ref, id]) => ref.startsWith(tags) && own.has(id)).map(([ref]) => ref);
  const dropped = [...needless, ...tagged].filter((ref) => ref !== kept);
  await repository.updateRefs(dropped.map((ref) => `delete ${ref}\n`));
  return dropped.length > 0;
}

/** Whether an advertised head contains the commit. False, too, when the commit or the repository is not there. */
export async function isReachable(repository: BareRepository, commit: string): Promise<boolean> {
  const args = ["for-each-ref", "--count=1", "--format=%(refname)", `--contains=${commit}`, "refs/heads/"];
  const { code, stdout } = await repository.try(args);
  return code === 0 && stdout.length > 0;
}
