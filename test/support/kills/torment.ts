/** Kills a scenario at one point after the other, lets it run once more, and tells what was not as it should be. */
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { chances } from "../chances.ts";
import { aftermath } from "./aftermath.ts";
import { reportOf, runTo, type Point } from "./kill-at.ts";
import { copyOf, prepare, running, type Name } from "./scenarios.ts";
import { stateOf } from "./state.ts";

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
const patience = 20_000;
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
      const { signal, code } = await runTo(point, running(scenario, cwd));
      const wasKilled = signal === "SIGKILL";
      if (!wasKilled) tooLate += 1;
      if (!wasKilled && code !== 0) wrong.push(`${where}: ended with ${code}`);
      const { next, wrong: after } = await aftermath(running(scenario, cwd), expected);
      longest = Math.max(longest, next.milliseconds);
      if (next.milliseconds > patience) wrong.push(`${where}: the next took ${next.milliseconds} ms`);
      wrong.push(...after.map((what) => `${where}: ${what}`));
      await rm(dirname(cwd), { recursive: true, force: true, maxRetries: 10 });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { killed: nth - tooLate, tooLate, longest, usual: again.milliseconds, wrong };
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
