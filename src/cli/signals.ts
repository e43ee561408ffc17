/** Signals, and pipes that are closed: what comes to the process from outside while a command runs. */
import { constants } from "node:os";
import { describeError, hasErrno } from "../errors.ts";
import type { CommandContext } from "./command.ts";

/** From now on the process hears them, for as long as it lasts. */
export function hearSignals(): Pick<CommandContext, "signal" | "handOverSignals"> {
  const stop = new AbortController();
  let signals = 0;
  let onSignal: ((name: NodeJS.Signals) => void) | undefined;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (onSignal !== undefined) {
        onSignal(name);
        return;
      }
      signals += 1;
      stop.abort(new Error(name));
      // Whoever asks twice does not want to wait.
      if (signals > 1) process.exit(128 + constants.signals[name]);
    });
  }
  const handOverSignals = (hear: (name: NodeJS.Signals) => void) => {
    onSignal = hear;
    return () => (onSignal = undefined);
  };
  return { signal: stop.signal, handOverSignals };
}

/**
 * `mirror-server status | head` closes the pipe when it has read enough: no reason to complain. What cannot be written
 * otherwise, as on a full disk, is one.
 */
export function watchOutput(tell: (text: string) => void): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (hasErrno(error, "EPIPE")) return;
      if (stream === process.stdout) tell(`what it prints cannot be written: ${describeError(error)}`);
      process.exit(1);
    });
  }
}
