/**
 * Runs a command: its configuration, its mirror, its work. All commands are loaded together, since many small files take
 * longer than one large; what only some jobs need and is large (the web server, the HTTP client) is loaded by those.
 */
import { usersEnvironment } from "../clients/variables.ts";
import { join } from "node:path";
import { locateMirror } from "../clients/find-mirror.ts";
import { loadConfig, type Config, type Sources } from "../config.ts";
import { openMirror } from "../mirror/mirror.ts";
import { printable } from "../text.ts";
import { build } from "./build.ts";
import { certs } from "./certs.ts";
import type { Command, CommandContext } from "./command.ts";
import { doctor } from "./doctor.ts";
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
  doctor,
  certs,
  health,
};

export interface RunTools extends Pick<CommandContext, "signal" | "handOverSignals" | "isTerminal"> {
  readonly progress: Progress;
  /** Writes a line for people to standard error. */
  readonly tell: (text: string) => void;
  /** Standard output. */
  readonly output: (text: string) => void;
  readonly cwd: string;
  /** Of the process, as it was started. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

// Of these what runs is no answer: they start one, or write into the project.
const startsOne: ReadonlySet<CommandName> = new Set(["serve", "init"]);

const makesOne: ReadonlySet<CommandName> = new Set(["serve", "sync"]);

async function locate(name: CommandName, config: Config, sources: Sources): Promise<Config> {
  if (name === "init") return config;
  return loadConfig({ ...sources, located: await locateMirror(config, !startsOne.has(name)) });
}

/** @returns the exit code */
export async function run({ name, args, flags }: Invocation, tools: RunTools): Promise<number> {
  const { progress, tell, output, signal, handOverSignals, isTerminal, cwd, environment } = tools;
  const sources = { flags, environment: usersEnvironment(environment), cwd };
  const config = await locate(name, loadConfig(sources), sources);
  for (const warning of config.warnings) tell(warning);
  // Where one is made, what there is besides; where one was found, what was passed over on the way to it.
  if (makesOne.has(name) || config.mirror !== join(cwd, ".mirror")) for (const text of config.nearby) tell(text);
  const mirror = openMirror(config, { environment, reporter: progress, signal });
  try {
    const write = (text: string) => {
      progress.finish();
      output(text);
    };
    const print = (lines: readonly string[]) => write(lines.map((line) => `${printable(line)}\n`).join(""));
    const say = (text: string) => progress.note(text);
    const writers = { print, write, tell, say, isTerminal };
    return await commands[name]({ config, mirror, cwd, signal, handOverSignals, ...writers }, args);
  } finally {
    await mirror.close();
  }
}
