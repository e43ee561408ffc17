/** Runs a scenario on a machine that gives it a hard time, lets it run once more when that is over, and tells what was wrong. */
import { statfsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { chances } from "../chances.ts";
import { aftermath } from "../kills/aftermath.ts";
import { run, type Running, type Use } from "../kills/kill-at.ts";
import { copyOf, prepare, running, type Name } from "../kills/scenarios.ts";
import { stateOf } from "../kills/state.ts";
import { ask } from "../wire.ts";
import { hardships, type Hardship, type HardshipName, type Need } from "./hardships.ts";
import { canMount, mountMemory, unmount } from "./mounts.ts";

export interface Endured {
  /** How many times it was tried, and how many of these it did what it was to do nevertheless. */
  readonly tried: number;
  readonly came: number;
  /** How many times it was ended, by a signal or by Node. */
  readonly ended: number;
  /** The longest run, milliseconds. */
  readonly longest: number;
  /** What was wrong; none is the aim. */
  readonly wrong: readonly string[];
}

// Longer, and it hangs.
const patience = 45_000;
// From its last look to its end. Milliseconds.
const ending = 100;

/** @param tries how many, each to another degree */
export async function endure(
  hardship: HardshipName,
  name: Name,
  root: string,
  tries: number,
  seed: string,
): Promise<Endured> {
  const scenario = await prepare(name, root);
  const how: Hardship = hardships[hardship];
  const chance = chances(`${seed} ${hardship} ${name}`);
  const whole = join(root, "whole/work");
  const need = await needOf(running(scenario, whole), scenario.template);
  const expected = await stateOf(whole);
  if (canMount) unmount(whole);
  const wrong: string[] = [];
  let [came, ended, longest] = [0, 0, 0];
  for (let nth = 0; nth < tries; nth += 1) {
    const degree = (nth + chance()) / tries;
    const cwd = join(root, `run-${nth}/work`);
    const where = `${name}, ${hardship} (${degree.toFixed(3)}, ${nth}), seed ${seed}`;
    await mkdir(cwd, { recursive: true });
    const takeAway = how.lay?.(cwd);
    try {
      await copyOf(scenario.template, cwd);
      const usual = running(scenario, cwd);
      const imposed = how.impose(cwd, degree, nth, need);
      const held: string[] = [];
      const use = usual.use === undefined || !how.servesHeld ? usual.use : alsoHeld(usual.use, held);
      const first = await run({ ...usual, ...imposed, env: { ...usual.env, ...imposed.env }, use });
      const over = performance.now();
      const spoiled = await imposed.amid;
      imposed.relieve();
      longest = Math.max(longest, first.milliseconds);
      if (first.code === 0) came += 1;
      // A server goes on, and says of itself how it is.
      const isSpoiled = spoiled !== undefined && over - spoiled > ending;
      if (isSpoiled && first.code === 0 && usual.use === undefined)
        wrong.push(`${where}: it ended with 0, ${(over - spoiled).toFixed(0)} ms after all was in vain`);
      const isEnded = first.signal !== null || /FATAL ERROR|Aborted|node::/.test(first.stderr);
      if (isEnded) ended += 1;
      const told = { ...first, words: first.stderr.trim().slice(-600) };
      wrong.push(...[...held, ...faultsOf(told, isEnded && how.mayEnd)].map((what) => `${where}: ${what}`));
      const { wrong: after } = await aftermath(usual, expected, {
        isForgiven: (path) => how.mayLose?.test(path) === true,
      });
      wrong.push(...after.map((what) => `${where}: ${what}`));
    } finally {
      takeAway?.();
    }
    await rm(dirname(cwd), { recursive: true, force: true, maxRetries: 10 });
  }
  return { tried: tries, came, ended, longest, wrong };
}

/** Runs it where there is room, and looks at how much it takes. */
async function needOf(usual: Running, template: string): Promise<Need> {
  const { cwd } = usual;
  await mkdir(cwd, { recursive: true });
  if (canMount) {
    mountMemory(cwd);
    onTestFinished(() => {
      try {
        unmount(cwd);
      } catch {
        // It was before.
      }
    });
  }
  await copyOf(template, cwd);
  const before = statfsSync(cwd);
  let [room, files] = [0, 0];
  const watch = setInterval(() => {
    const now = statfsSync(cwd);
    room = Math.max(room, (before.bfree - now.bfree) * now.bsize);
    files = Math.max(files, before.ffree - now.ffree);
  }, 2);
  const { code, stderr, milliseconds } = await run(usual);
  clearInterval(watch);
  if (code !== 0) throw new Error(`let alone, it ended with ${code}: ${stderr}`);
  await run(usual);
  return { room, files, milliseconds };
}

interface Told {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly words: string;
  readonly milliseconds: number;
}

function faultsOf({ code, signal, words, milliseconds }: Told, mayEnd: boolean): string[] {
  const faults = milliseconds > patience ? [`it took ${milliseconds} ms`] : [];
  if (mayEnd || code === 0) return faults;
  if (code === null) faults.push(`it was ended by ${signal}: ${words}`);
  else if (![1, 2, 3].includes(code)) faults.push(`it ended with ${code}: ${words}`);
  if (words === "") faults.push(`it ended with ${code} and said nothing`);
  if (/\n\s+at .*[:)]/.test(words)) faults.push(`it ended with ${code} and a stack: ${words}`);
  return faults;
}

/** What is held is answered all the while. */
function alsoHeld(use: Use, wrong: string[]): Use {
  return async (used) => {
    await use(used);
    const port = await used.port;
    for (const path of ["/tarballs/birch-1.1.0.tar", "/packages/birch"]) {
      const { status } = await ask(port, path);
      if (status !== 200) wrong.push(`${path} is answered with ${status}`);
    }
  };
}
