/**
 * Two machines that work on one folder: each with a name, processes, and a cache of its own, as containers have them. Neither
 * sees whether the other's process lives. Needs root on Linux.
 */
import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chances } from "../chances.ts";
import { aftermath } from "../kills/aftermath.ts";
import { run, type Ended, type Running } from "../kills/kill-at.ts";
import { processesOf } from "../kills/left.ts";
import { copyOf, prepare, running, type Name } from "../kills/scenarios.ts";
import { stateOf } from "../kills/state.ts";

// All that a container has of its own and that matters here. What is killed outside takes all of it along.
const options = ["--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"];

export const canSeparate = process.platform === "linux" && spawnSync("unshare", [...options, "true"]).status === 0;

export interface Shared {
  readonly tried: number;
  /** How many times one of both was killed amid its work. */
  readonly killed: number;
  /** The longest of those that were let alone, milliseconds. */
  readonly longest: number;
  readonly wrong: readonly string[];
}

/** @param tries how many times both do the same at once; every fourth time one of them is killed */
export async function share(name: Name, root: string, tries: number, seed: string): Promise<Shared> {
  const scenario = await prepare(name, root);
  const chance = chances(`${seed} machines ${name}`);
  const whole = await copyOf(scenario.template, join(root, "whole/work"));
  const { milliseconds } = await run(running(scenario, whole));
  await run(running(scenario, whole));
  const expected = await stateOf(whole);
  const wrong: string[] = [];
  let [killed, longest] = [0, 0];
  for (let nth = 0; nth < tries; nth += 1) {
    const where = `${name} on two machines (${nth}), seed ${seed}`;
    const cwd = await copyOf(scenario.template, join(root, `run-${nth}/work`));
    const on = (other: string): Running => {
      const usual = running(scenario, cwd);
      return {
        ...usual,
        under: ["unshare", ...options],
        env: { ...usual.env, XDG_CACHE_HOME: join(dirname(cwd), other) },
      };
    };
    const isKilled = nth % 4 === 3;
    const both = [run(on("first")), run(on("second"))];
    const kill = async () => {
      await sleep(chance() * milliseconds);
      const first = processesOf(cwd).find(({ command }) => command.startsWith("unshare "));
      if (first === undefined) return;
      process.kill(first.pid, "SIGKILL");
      killed += 1;
    };
    const [ended] = await Promise.all([Promise.all(both), isKilled ? kill() : undefined]);
    const alone = ended.filter(({ signal }) => signal !== "SIGKILL");
    longest = Math.max(longest, ...alone.map((each) => each.milliseconds));
    wrong.push(...alone.filter(hasFailed).map(({ code, stderr }) => `${where}: ended with ${code}: ${stderr}`));
    const usual = running(scenario, cwd);
    const { wrong: after } = await aftermath(usual, expected, {
      // What one who may live elsewhere was just writing is let be for an hour.
      isForgiven: (path) => isKilled && isTemporary(path),
      // Its lock is waited for, for half a minute: longer than a watch is looked at here.
      before: isKilled && name === "watch" ? { ...usual, args: ["sync", "app"], use: undefined } : undefined,
    });
    wrong.push(...after.map((what) => `${where}: ${what}`));
    await rm(dirname(cwd), { recursive: true, force: true, maxRetries: 10 });
  }
  return { tried: tries, killed, longest, wrong };
}

function hasFailed({ code }: Ended): boolean {
  return code !== 0;
}

function isTemporary(path: string): boolean {
  return path.includes(".tmp-") || path.startsWith("tmp/mirror-server-");
}
