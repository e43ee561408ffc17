/** Kills a scenario at one point after the other, lets it run once more, and tells what was not as it should be. */
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { git } from "../git.ts";
import { chances } from "../chances.ts";
import { reportOf, runTo, type Point } from "./kill-at.ts";
import { brokenOrder, processesOf, treeOf } from "./left.ts";
import { copyOf, prepare, type Name, type Scenario } from "./scenarios.ts";

export interface Findings {
  /** At how many points it was killed, and how many of these it did not come to. */
  readonly killed: number;
  readonly tooLate: number;
  /** Of the run after it, milliseconds: the longest beside that of one that nothing went before. */
  readonly longest: number;
  readonly usual: number;
  /** By point, what was wrong; none is the aim. */
  readonly wrong: readonly string[];
}

// Longer, and it has waited for somebody who is dead.
const patience = 10_000;
const atOnce = 2;

/** @param points how many; all that there are, where those are fewer, and then some more amid git's work */
export async function torment(name: Name, root: string, points: number, seed: string): Promise<Findings> {
  const scenario = await prepare(name, root);
  // A lock is called by the folder above it.
  const dir = (folder: string) => join(root, folder, "work");
  await copyOf(scenario.template, dir("whole"));
  const whole = await runTo(undefined, running(scenario, dir("whole")));
  if (whole.code !== 0) throw new Error(`${name}, let alone, ended with ${whole.code}: ${whole.stderr}`);
  const { count, children } = await reportOf(dir("whole"));
  const again = await runTo(undefined, running(scenario, dir("whole")));
  const expected = await stateOf(dir("whole"));
  const queue = choose({ count, children }, points, chances(`${seed} ${name}`));
  const wrong: string[] = [];
  let [tooLate, longest, nth] = [0, 0, 0];
  const work = async () => {
    for (let point = queue.shift(); point !== undefined; point = queue.shift()) {
      const cwd = await copyOf(scenario.template, dir(`run-${(nth += 1)}`));
      const where = `${name}, killed at ${point.at}${point.after > 0 ? ` and ${point.after} ms` : ""}, seed ${seed}`;
      const { wasKilled, code } = await runTo(point, running(scenario, cwd));
      if (!wasKilled) tooLate += 1;
      if (!wasKilled && code !== 0) wrong.push(`${where}: ended with ${code}`);
      const broken = await brokenOrder(join(cwd, ".mirror/hex"));
      wrong.push(...broken.map((what) => `${where}: ${what}`));
      const next = await runTo(undefined, running(scenario, cwd));
      longest = Math.max(longest, next.milliseconds);
      if (next.code !== 0) wrong.push(`${where}: the next ended with ${next.code}: ${next.stderr}`);
      if (next.milliseconds > patience) wrong.push(`${where}: the next took ${next.milliseconds} ms`);
      const here = await stateOf(cwd);
      wrong.push(...differences(expected, here).map((what) => `${where}: ${what}`));
      wrong.push(...processesOf(cwd).map(({ command }) => `${where}: still running: ${command}`));
      await rm(dirname(cwd), { recursive: true, force: true, maxRetries: 10 });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { killed: nth - tooLate, tooLate, longest, usual: again.milliseconds, wrong };
}

function running({ args, env, use }: Scenario, cwd: string) {
  return { cwd, args, use, env: { ...env, HOME: cwd, TMPDIR: join(cwd, "tmp") } };
}

/** Each thing that it does, evenly; then amid the children that it starts, which no thing that it does stands for. */
function choose(
  { count, children }: { readonly count: number; readonly children: readonly number[] },
  points: number,
  chance: () => number,
): Point[] {
  const amid = children.length === 0 ? 0 : Math.ceil(points / 3);
  const each = Math.min(count, points - amid);
  const offset = chance();
  const things = Array.from({ length: each }, (_, n) => ({
    at: Math.min(count, 1 + Math.floor(((n + offset) * count) / each)),
    after: 0,
  }));
  const inChildren = Array.from({ length: points - each }, () => ({
    at: children[Math.floor(chance() * children.length)] ?? count,
    after: children.length === 0 ? 0 : 1 + Math.floor(chance() * 12),
  }));
  return [...things, ...inChildren];
}

/** What lies in its folders; of a git repository what leads to something, since packs come about in several ways. */
async function stateOf(cwd: string): Promise<Record<string, string>> {
  const isGit = /^\.mirror\/git\/.*\.git\//;
  // A dead one's lock goes with the next who takes it; what is noted in it counts.
  const isPassing = /^(?:report\.json|app|\.cache|certs|\.mirror\/\.lock)(?:\/(?!unsigned\.json$)|$)/;
  const tree = await treeOf(cwd, (path) => isGit.test(path) || isPassing.test(path));
  // History tells days.
  const timed = Object.entries(tree).map(([path, content]) => {
    return [path, path.startsWith(".mirror/history/") && content !== "folder" ? "" : content] as const;
  });
  const state = new Map(timed);
  await mkdir(join(cwd, ".cache"), { recursive: true });
  const cached = await treeOf(join(cwd, ".cache"), (path) => !path.includes(".tmp-"));
  for (const path of Object.keys(cached)) state.set(`.cache/${path}`, "left");
  for (const path of Object.keys(tree).filter((each) => /^\.mirror\/git\/.*\.git$/.test(each))) {
    const repository = join(cwd, path);
    state.set(path, await git(repository, ["for-each-ref"]));
    await git(repository, ["fsck", "--strict", "--no-dangling"]).catch((error: unknown) =>
      state.set(path, String(error)),
    );
    const left = await treeOf(repository, (name) => !/\.lock$|tmp_|\.tmp-|\.keep$/.test(name));
    for (const name of Object.keys(left).filter((each) => !each.endsWith(".gitkeep")))
      state.set(`${path}/${name}`, "left");
  }
  return Object.fromEntries(state);
}

function differences(expected: Record<string, string>, here: Record<string, string>): string[] {
  const paths = [...new Set([...Object.keys(expected), ...Object.keys(here)])];
  return paths
    .filter((path) => expected[path] !== here[path])
    .map(
      (path) =>
        `${path} is ${path in here ? (path in expected ? `${here[path]}, not ${expected[path]},` : "left") : "missing"} after the next`,
    );
}
