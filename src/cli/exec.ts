/** `mirror-server exec -- COMMAND…`: runs any command with every client pointed at the mirror. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { MirrorError, describeError, hasErrno } from "../errors.ts";
import type { Item } from "../names/item.ts";
import type { Command, CommandContext } from "./command.ts";
import { showItem } from "./items.ts";
import { projectLocks, readLocks } from "./locks.ts";

export const exec: Command = async (context, args) => {
  const { mirror, config, cwd, signal, handOverSignals } = context;
  const [program, ...rest] = args;
  if (program === undefined) {
    throw new MirrorError("usage", 'give a command: "mirror-server exec -- mix deps.get"');
  }
  const before = await projectLocks(cwd, config);
  return mirror.withClients(before, async (environment) => {
    if (signal.aborted) throw new MirrorError("cancelled", `stopped before ${program} was begun`);
    // A mirror elsewhere is its own keeper's.
    const isOwn = config.url === undefined;
    if (isOwn) await mirror.makeKnown(before).catch(() => undefined);
    const code = await run(program, rest, { cwd, environment, handOverSignals });
    // Who has just stopped it does not want to wait for more.
    if (isOwn && code < 128 && !signal.aborted) await tellWhatIsHere(context);
    return code;
  });
};

const shownMissing = 5;

async function tellWhatIsHere({ mirror, tell, cwd, config }: CommandContext): Promise<void> {
  try {
    const locks = (await readLocks([], cwd, config, true)) ?? [];
    if (!locks.some(({ entries }) => entries.length > 0)) return;
    tell(`${locks.map(({ name }) => name).join(", ")}: ${coverage(await mirror.complete(locks))}`);
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

/** @returns its exit code, or, as shells have it, 128 and the signal that ended it */
async function run(
  program: string,
  args: readonly string[],
  {
    cwd,
    environment,
    handOverSignals,
  }: Pick<CommandContext, "cwd" | "handOverSignals"> & { environment: Readonly<Record<string, string>> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...environment }, stdio: "inherit" });
    // Ctrl-C reaches the command by itself, which may live on after it, as `iex` does; SIGTERM is for us alone.
    const takeBack = handOverSignals(() => child.kill("SIGTERM"));
    child.once("error", (cause) => {
      const why = hasErrno(cause, "ENOENT") ? "there is no such program" : "it cannot be run";
      reject(new MirrorError("usage", `${program}: ${why}`, { cause }));
    });
    child.once("close", (code, name) => {
      takeBack();
      resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}
