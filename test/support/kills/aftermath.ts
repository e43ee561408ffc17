/** After a run that was disturbed: what clients find at once, and what one more run makes of it that nothing disturbs. */
import { join } from "node:path";
import { run, type Ended, type Running } from "./kill-at.ts";
import { brokenOrder, processesOf } from "./left.ts";
import { differences, stateOf } from "./state.ts";

export interface Aftermath {
  readonly next: Ended;
  /** None is the aim. */
  readonly wrong: readonly string[];
}

/**
 * @param expected the state of one that nothing disturbed
 * @param isForgiven which paths may differ
 * @param before what has to run before the next can
 */
export async function aftermath(
  usual: Running,
  expected: Record<string, string>,
  { isForgiven = () => false, before }: { isForgiven?: (path: string) => boolean; before?: Running | undefined } = {},
): Promise<Aftermath> {
  const { cwd } = usual;
  const broken = await brokenOrder(join(cwd, ".mirror/hex"));
  if (before !== undefined) await run(before);
  const next = await run(usual);
  const failed = next.code === 0 ? [] : [`the next ended with ${next.code}: ${next.stderr}`];
  const unlike = differences(expected, await stateOf(cwd), isForgiven);
  const running = processesOf(cwd).map(({ command }) => `still running: ${command}`);
  return { next, wrong: [...broken, ...failed, ...unlike, ...running] };
}
