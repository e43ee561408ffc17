/**
 * `mirror-server exec -- COMMAND…`: runs any command with every client pointed at the mirror. Its last lines tell what the
 * mirror could not give, and whether the next run needs a network.
 */
import type { Item } from "../names/item.ts";
import type { LackReport } from "../clients/running-server.ts";
import { MirrorError, describeError } from "../errors.ts";
import type { Use } from "../mirror/use.ts";
import { shellQuoted } from "../text.ts";
import type { Command, CommandContext } from "./command.ts";
import { declaredNames } from "./declared.ts";
import { showItem } from "../names/shown-item.ts";
import { lackingLines } from "./lacking.ts";
import { projectLocks, readLocks } from "./locks.ts";
import { logSentence } from "./log-sentence.ts";
import { runProgram } from "./run-program.ts";

export const exec: Command = async (context, args) => {
  const { mirror, config, signal, isTerminal, say } = context;
  const [program, ...rest] = args;
  if (program === undefined || program === "") {
    throw new MirrorError("usage", 'give a command: "mirror-server exec -- mix deps.get"');
  }
  const before = await projectLocks(context);
  return mirror.withClients(before, logOf(config), async (use) => {
    if (signal.aborted) throw new MirrorError("cancelled", `stopped before ${program} was begun`);
    // A mirror elsewhere is its own keeper's.
    const isOwn = config.url === undefined;
    if (isOwn) await mirror.makeKnown(before).catch(() => undefined);
    // Where nobody watches, what the command itself says comes first.
    if (isTerminal) say(use.description);
    const { code, isBySignal } = await runProgram(program, rest, { ...context, environment: use.environment });
    if (!isTerminal) say(use.description);
    // Who has just stopped it does not want to wait for more.
    if (isBySignal || signal.aborted) return code;
    const hasTold = await tellWhatWasMissed(context, use, { args, code });
    if (isOwn) await tellWhatIsHere(context, { hasTold, hasFailed: code !== 0 });
    return code;
  });
};

/** Among what the command says only what goes wrong is of interest, unless more was asked for. */
function logOf({ logLevel }: CommandContext["config"]) {
  return async () => (await import("./logger.ts")).createErrorLog(logLevel === "info" ? "warn" : logLevel, logSentence);
}

/** @returns whether there was anything */
async function tellWhatWasMissed(
  context: CommandContext,
  use: Use,
  { args, code }: { readonly args: readonly string[]; readonly code: number },
): Promise<boolean> {
  const { lacks, refusals } = use;
  const found = await lacks();
  const lines = found === undefined ? [] : await linesOf(context, found, { ...use, args, code });
  const hosts = refusals();
  if (hosts.length > 0)
    lines.push(`refused, since --hermetic lets nobody but the mirror be asked: ${hosts.join(", ")}`);
  for (const line of lines) context.tell(line);
  return lines.length > 0;
}

interface Told extends Pick<Use, "repositories" | "ownRepositories"> {
  readonly args: readonly string[];
  readonly code: number;
}

async function linesOf(
  { mirror, config, cwd }: CommandContext,
  found: LackReport,
  { args, code, repositories, ownRepositories }: Told,
): Promise<string[]> {
  const hasFailed = code !== 0;
  const declared = hasFailed ? await declaredNames(cwd) : [];
  // Of these nobody knows whether they were asked for.
  const isFetching = args.some((arg) => /deps|hex|setup/.test(arg));
  const empty = found.pulls || !isFetching ? [] : await mirror.withoutReleases(declared).catch(() => []);
  const options = mirrorOptions(config);
  return lackingLines(found, { args, hasFailed, declared, empty, repositories, ownRepositories, options });
}

/** The flags that say which mirror is meant, for a command that is to be about the same. */
function mirrorOptions(config: CommandContext["config"]): string {
  const options = [
    ["--mirror", "mirror"],
    ["--hex-dir", "hexDir"],
    ["--git-dir", "gitDir"],
  ] as const;
  const given = options.filter(([, key]) => config.said.has(key) && !config.found.keys.has(key));
  return given.map(([flag, key]) => ` ${flag} ${shellQuoted(config[key])}`).join("");
}

const shownMissing = 5;

/** @param hasTold whether something was missed: then that all of the lock is here is beside the point */
async function tellWhatIsHere(
  context: CommandContext,
  { hasTold, hasFailed }: { readonly hasTold: boolean; readonly hasFailed: boolean },
): Promise<void> {
  const { mirror, tell, config } = context;
  try {
    const locks = (await readLocks([], context, { mayLack: true })) ?? [];
    if (!locks.some(({ entries }) => entries.length > 0)) return;
    const missing = await mirror.complete(locks);
    if (missing.length > 0 || !(hasTold || config.quiet)) {
      tell(`${locks.map(({ name }) => name).join(", ")}: ${coverage(missing, hasFailed)}`);
    }
  } catch (error) {
    tell(`whether the next run needs no network cannot be told: ${describeError(error)}`);
  }
}

function coverage(missing: readonly Item[], hasFailed: boolean): string {
  // Why it failed is not known; what the lock names was not lacking.
  if (missing.length === 0 && hasFailed) return "everything that is locked is here";
  if (missing.length === 0) return "everything is here, the next run needs no network";
  const shown = missing.slice(0, shownMissing).map(showItem).join(", ");
  const more = missing.length > shownMissing ? ` and ${missing.length - shownMissing} more` : "";
  const are = missing.length === 1 ? "is" : "are";
  return `${missing.length} of what it names ${are} not here: ${shown}${more}`;
}
