/**
 * Runs a command: its configuration, its mirror, its work. All commands are loaded together, since many small files take
 * longer than one large; what only some jobs need and is large (the web server, the HTTP client) is loaded by those.
 */
import { usersEnvironment } from "../clients/variables.ts";
import { loadConfig } from "../config.ts";
import { openMirror } from "../mirror/mirror.ts";
import { printable } from "../text.ts";
import { build } from "./build.ts";
import { certs } from "./certs.ts";
import type { Command, CommandContext } from "./command.ts";
import { env } from "./env.ts";
import { exec } from "./exec.ts";
import { health } from "./health.ts";
import { init } from "./init.ts";
import type { CommandName, Invocation } from "./program.ts";
import type { Progress } from "./progress.ts";
import { prune } from "./prune.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { sync } from "./sync.ts";
import { verify } from "./verify.ts";

export { processEnvironment } from "../config.ts";

const commands: Readonly<Record<CommandName, Command>> = {
  serve,
  sync,
  build,
  verify,
  prune,
  status,
  exec,
  env,
  init,
  certs,
  health,
};

export interface RunTools extends Pick<CommandContext, "signal" | "handOverSignals"> {
  readonly progress: Progress;
  /** Writes a line for people to standard error. */
  readonly tell: (text: string) => void;
  /** Standard output. */
  readonly output: (text: string) => void;
  readonly cwd: string;
  /** Of the process, as it was started. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** @returns the exit code */
export async function run({ name, args, flags }: Invocation, tools: RunTools): Promise<number> {
  const { progress, tell, output, signal, handOverSignals, cwd, environment } = tools;
  const config = loadConfig({ flags, environment: usersEnvironment(environment), cwd });
  for (const warning of config.warnings) tell(warning);
  const mirror = openMirror(config, { environment, reporter: progress, signal });
  try {
    const write = (text: string) => {
      progress.finish();
      output(text);
    };
    const print = (lines: readonly string[]) => write(lines.map((line) => `${printable(line)}\n`).join(""));
    return await commands[name]({ config, mirror, cwd, signal, handOverSignals, print, write, tell }, args);
  } finally {
    await mirror.close();
  }
}
