/** Runs a command in the foreground, and gives it the signals that are for it. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import { MirrorError, hasErrno } from "../errors.ts";
import type { CommandContext } from "./command.ts";

interface ProgramOptions extends Pick<CommandContext, "cwd" | "handOverSignals"> {
  readonly environment: Readonly<Record<string, string>>;
}

export interface Ended {
  /** Its exit code, or, as shells have it, 128 and the signal that ended it. */
  readonly code: number;
  /** Whether a signal ended it; a program may end with such a code by itself, as git does. */
  readonly isBySignal: boolean;
}

// Milliseconds in which a terminal's Ctrl-C reaches all that it is for.
const together = 1000;

/** @throws MirrorError `usage` for what cannot be run */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, environment, handOverSignals }: ProgramOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // First: what reaches the command has to reach it as well.
    const witness = hasTerminal() ? new Witness(cwd) : undefined;
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd, env: { ...environment }, stdio: "inherit" });
    } catch (cause) {
      // What the system refuses at once, such as more arguments than it takes: nobody waits for an end then.
      witness?.end();
      throw new MirrorError("usage", `${program}: it cannot be run`, { cause });
    }
    const takeBack = handOverSignals((name) => {
      if (name === "SIGINT" && witness !== undefined) witness.unlessForAll(() => child.kill(name));
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
      resolve({ code: code ?? 128 + (name === null ? 0 : constants.signals[name]), isBySignal: name !== null });
    });
  });
}

/** Whether there is a terminal whose Ctrl-C comes to us: also one that none of our streams leads to. */
function hasTerminal(): boolean {
  if (process.platform === "win32") return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

/**
 * Ctrl-C reaches the command by itself, which may live on after it, as `iex` does, and must not get it twice; `kill -INT` is
 * for us alone, and to be passed on. Which it was, another process of the same group tells: only Ctrl-C ends that one too.
 */
class Witness {
  private readonly cwd: string;
  private child: ChildProcess | undefined;
  private readonly asked = new Set<NodeJS.Timeout>();
  private unasked: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(cwd: string) {
    this.cwd = cwd;
    this.start();
  }

  private start(): void {
    // It reads what never comes, and so does not outlive us.
    const child = spawn("cat", [], { cwd: this.cwd, stdio: ["pipe", "ignore", "ignore"] });
    child.once("error", () => (this.child = undefined));
    child.once("exit", (_code, signal) => {
      if (signal === "SIGINT" && !this.isOver) this.tellForAll();
    });
    child.unref();
    this.child = child;
  }

  /** What it saw is said of every signal that was asked about, or else of the next one. */
  private tellForAll(): void {
    this.start();
    if (this.asked.size === 0) {
      // A process that had no turn meanwhile hears of both at once, and of the later one first.
      this.unasked = setTimeout(() => (this.unasked = undefined), together);
    }
    this.forgetAsked();
  }

  unlessForAll(pass: () => void): void {
    if (this.unasked !== undefined) {
      clearTimeout(this.unasked);
      this.unasked = undefined;
      return;
    }
    const waiting = setTimeout(() => {
      // Timers come before what happened while this process had no turn.
      setImmediate(() => {
        if (this.asked.delete(waiting)) pass();
      });
    }, together);
    this.asked.add(waiting);
  }

  private forgetAsked(): void {
    for (const waiting of this.asked) clearTimeout(waiting);
    this.asked.clear();
  }

  end(): void {
    this.isOver = true;
    this.forgetAsked();
    clearTimeout(this.unasked);
    this.child?.stdin?.destroy();
    this.child?.kill("SIGKILL");
  }
}
