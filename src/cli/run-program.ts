/** Runs a command in the foreground, and gives it the signals that are for it. */
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { MirrorError, hasErrno } from "../errors.ts";
import type { CommandContext } from "./command.ts";

export interface ProgramOptions extends Pick<CommandContext, "cwd" | "handOverSignals"> {
  readonly environment: Readonly<Record<string, string>>;
}

// Milliseconds in which a terminal's Ctrl-C reaches all that it is for.
const together = 200;

/** @returns its exit code, or, as shells have it, 128 and the signal that ended it */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, environment, handOverSignals }: ProgramOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...environment }, stdio: "inherit" });
    const witness = isInteractive() ? watchGroup(cwd) : undefined;
    const takeBack = handOverSignals((name) => {
      if (name === "SIGINT" && witness !== undefined) witness.unlessAll(() => child.kill(name));
      else child.kill(name);
    });
    const end = () => {
      takeBack();
      witness?.end();
    };
    child.once("error", (cause) => {
      end();
      const why = hasErrno(cause, "ENOENT") ? "there is no such program" : "it cannot be run";
      reject(new MirrorError("usage", `${program}: ${why}`, { cause }));
    });
    child.once("close", (code, name) => {
      end();
      resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}

function isInteractive(): boolean {
  return process.platform !== "win32" && [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
}

/**
 * Ctrl-C reaches the command by itself, which may live on after it, as `iex` does, and must not get it twice; `kill -INT` is
 * for us alone, and to be passed on. Which it was, another process of the same group tells: only Ctrl-C ends that one too.
 */
function watchGroup(cwd: string): { readonly unlessAll: (pass: () => void) => void; readonly end: () => void } {
  let witness: ChildProcess | undefined;
  const start = () => {
    // It reads what never comes, and so does not outlive us.
    witness = spawn("cat", [], { cwd, stdio: ["pipe", "ignore", "ignore"] });
    witness.once("error", () => (witness = undefined));
  };
  start();
  return {
    unlessAll: (pass) => {
      const now = witness;
      setTimeout(() => {
        if (now?.signalCode !== "SIGINT") pass();
        else if (now === witness) start();
      }, together);
    },
    end: () => {
      witness?.removeAllListeners();
      witness?.stdin?.destroy();
      witness?.kill("SIGKILL");
    },
  };
}
