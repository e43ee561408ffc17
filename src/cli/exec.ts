/**
 * `mirror-server exec -- COMMAND…`: runs any command with every client pointed at the mirror. Its last lines tell what the
 * mirror could not give, and whether the next run needs a network.
 */
import type { Item } from "../names/item.ts";
import { MirrorError, describeError } from "../errors.ts";
import type { Use } from "../mirror/use.ts";
import type { Command, CommandContext } from "./command.ts";
import { declaredNames } from "./declared.ts";
import { showItem } from "./items.ts";
import { lackingLines } from "./lacking.ts";
import { projectLocks, readLocks } from "./locks.ts";
import { runProgram } from "./run-program.ts";

export const exec: Command = async (context, args) => {
  const { mirror, config, cwd, signal, isTerminal, say } = context;
  const [program, ...rest] = args;
  if (program === undefined) {
    throw new MirrorError("usage", 'give a command: "mirror-server exec -- mix deps.get"');
  }
  const before = await projectLocks(cwd, config);
  return mirror.withClients(before, async (use) => {
    if (signal.aborted) throw new MirrorError("cancelled", `stopped before ${program} was begun`);
    // A mirror elsewhere is its own keeper's.
    const isOwn = config.url === undefined;
    if (isOwn) await mirror.makeKnown(before).catch(() => undefined);
    // Where nobody watches, what the command itself says comes first.
    if (isTerminal) say(use.description);
    const code = await runProgram(program, rest, { ...context, environment: use.environment });
    if (!isTerminal) say(use.description);
    // Who has just stopped it does not want to wait for more.
    if (code >= 128 || signal.aborted) return code;
    const lacks = await tellWhatWasMissed(context, use, { args, code });
    if (isOwn) await tellWhatIsHere(context, lacks);
    return code;
  });
};

/** @returns whether there was anything */
async function tellWhatWasMissed(
  context: CommandContext,
  { lacked, refused }: Use,
  { args, code }: { readonly args: readonly string[]; readonly code: number },
): Promise<boolean> {
  const found = await lacked();
  const declared = code === 0 ? [] : await declaredNames(context.cwd);
  const empty = found?.pulls === true ? [] : await context.mirror.withoutReleases(declared).catch(() => []);
  const lines = lackingLines(found, { args, hasFailed: code !== 0, declared, empty });
  const hosts = refused();
  if (hosts.length > 0)
    lines.push(`refused, since --hermetic lets nobody but the mirror be asked: ${hosts.join(", ")}`);
  for (const line of lines) context.tell(line);
  return lines.length > 0;
}

const shownMissing = 5;

/** @param hasTold whether something was missed: then that all of the lock is here is beside the point */
async function tellWhatIsHere({ mirror, tell, cwd, config }: CommandContext, hasTold: boolean): Promise<void> {
  try {
    const locks = (await readLocks([], cwd, config, true)) ?? [];
    if (!locks.some(({ entries }) => entries.length > 0)) return;
    const missing = await mirror.complete(locks);
    if (missing.length > 0 || !hasTold) tell(`${locks.map(({ name }) => name).join(", ")}: ${coverage(missing)}`);
  } catch (error) {
    tell(`whether the next run needs no network cannot be told: ${describeError(error)}`);
  }
}

function coverage(missing: readonly Item[]): string {
  if (missing.length === 0) return "everything is here, the next run needs no network";
  const shown = missing.slice(0, shownMissing).map(showItem).join(", ");
  const more = missing.length > shownMissing ? ` and ${missing.length - shownMissing} more` : "";
  const are = missing.length === 1 ? "is" : "are";
  return `${missing.length} of what it names ${are} not here: ${shown}${more}`;
}
