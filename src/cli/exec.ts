/** `mirror-server exec -- COMMAND…`: runs any command with every client pointed at the mirror. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { MirrorError, hasErrno } from "../errors.ts";
import type { Command, CommandContext } from "./command.ts";
import { projectLocks } from "./locks.ts";

export const exec: Command = async ({ mirror, config, cwd, signal, handOverSignals }, args) => {
  const [program, ...rest] = args;
  if (program === undefined) {
    throw new MirrorError("usage", 'give a command: "mirror-server exec -- mix deps.get"');
  }
  return mirror.withClients(await projectLocks(cwd, config), async (environment) => {
    if (signal.aborted) throw new MirrorError("cancelled", `stopped before ${program} was begun`);
    return run(program, rest, { cwd, environment, handOverSignals });
  });
};

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
    handOverSignals(() => child.kill("SIGTERM"));
    child.once("error", (cause) => {
      const why = hasErrno(cause, "ENOENT") ? "there is no such program" : "it cannot be run";
      reject(new MirrorError("usage", `${program}: ${why}`, { cause }));
    });
    child.once("close", (code, name) => resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])));
  });
}
