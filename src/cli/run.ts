/**
 * Runs a command: its configuration, its mirror, its work. All commands are loaded together, since many small files take
 * longer than one large; what only some jobs need and is large (the web server, the HTTP client) is loaded by those.
 */
import { usersEnvironment } from "../clients/variables.ts";
import { join } from "node:path";
import { locateMirror } from "../clients/find-mirror.ts";
import { MirrorError } from "../errors.ts";
import { loadConfig, type Config, type Sources } from "../config.ts";
import { openMirror } from "../mirror/mirror.ts";
import { printable } from "../text.ts";
import { add } from "./add.ts";
import { build } from "./build.ts";
import { certs } from "./certs.ts";
import type { Command, CommandContext } from "./command.ts";
import type { CommandName } from "./commands.ts";
import { completionOf } from "./completion.ts";
import { doctor } from "./doctor.ts";
import { env } from "./env.ts";
import { exec } from "./exec.ts";
import { guide } from "./guide.ts";
import { health } from "./health.ts";
import { init } from "./init.ts";
import { list } from "./list.ts";
import type { Asked, Invocation } from "./program.ts";
import type { Progress } from "./progress.ts";
import { pack } from "./pack.ts";
import { prune } from "./prune.ts";
import { publish } from "./publish.ts";
import { remove } from "./remove.ts";
import { report } from "./report.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { sync } from "./sync.ts";
import { unpack } from "./unpack.ts";
import { verify } from "./verify.ts";
import { why } from "./why.ts";

export { processEnvironment } from "../config.ts";

const works: Readonly<Record<CommandName, Command>> = {
  serve,
  sync,
  build,
  pack,
  unpack,
  publish,
  add,
  remove,
  verify,
  prune,
  status,
  list,
  why,
  exec,
  env,
  init,
  doctor,
  certs,
  health,
};

export interface RunTools extends Pick<
  CommandContext,
  "signal" | "handOverSignals" | "isTerminal" | "isOutputTerminal"
> {
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
const makesOne: ReadonlySet<CommandName> = new Set(["serve", "sync", "add"]);
/** What these print is an answer; the others tell what they have done. */
const answers: ReadonlySet<CommandName> = new Set(["status", "list", "why", "env", "doctor", "health", "verify"]);
/** What these do cannot be done to a replica. */
const writes: ReadonlySet<CommandName> = new Set(["sync", "build", "add", "remove", "prune"]);
/** These tell themselves which mirror they are about, or are about none. */
const tellsItself: ReadonlySet<CommandName> = new Set(["exec", "env", "doctor", "health", "init"]);

async function locate({ name, flags }: Invocation, config: Config, sources: Sources): Promise<Config> {
  if (name === "init" || flags["revert"] === true) return config;
  const located = await locateMirror(config, !startsOne.has(name));
  const isUsed = !(name === "doctor" || name === "health") && config.url === undefined;
  if (located.isBarred && isUsed) {
    throw new MirrorError("config", `${located.nearby[0] ?? ""}; give --mirror if it is right`);
  }
  return loadConfig({ ...sources, located });
}

/** Which mirror is meant, where nobody said so and it is not the working folder's; and what else there is. */
function tellMirror({ name }: Invocation, { mirror, nearby, said, cwd }: Config, tell: (text: string) => void): void {
  const isElsewhere = !said.has("mirror") && mirror !== join(cwd, ".mirror");
  if (isElsewhere && !tellsItself.has(name)) tell(`this is about the mirror ${mirror}`);
  if (isElsewhere || makesOne.has(name)) for (const text of nearby) tell(text);
}

/** What needs neither a mirror nor a configuration. */
export async function textFor({ name, what }: Asked): Promise<string> {
  return name === "completion" ? completionOf(what) : guide(what);
}

/** @returns the exit code */
export async function run(invocation: Invocation, tools: RunTools): Promise<number> {
  const { name, args, flags } = invocation;
  const { progress, output, signal, handOverSignals, isTerminal, isOutputTerminal, cwd, environment } = tools;
  const tell = (text: string) => {
    progress.finish();
    tools.tell(text);
  };
  const sources = { flags, environment: usersEnvironment(environment), cwd };
  const config = await locate(invocation, loadConfig(sources), sources);
  for (const warning of config.warnings) tell(warning);
  if (!config.quiet) tellMirror(invocation, config, tell);
  if (config.readOnly && writes.has(name)) {
    throw new MirrorError("config", `${name} would write to ${config.mirror}, which is a replica (--read-only)`);
  }
  if (config.readOnly && name === "verify" && config.deep && !config.dryRun) {
    throw new MirrorError(
      "config",
      "verify --deep would put what is damaged aside; for a replica say --dry-run as well",
    );
  }
  const mirror = openMirror(config, { environment, reporter: progress, signal });
  try {
    const write = (text: string) => {
      progress.finish();
      output(text);
    };
    const isSilent = config.quiet && !config.json && !config.dryRun && !answers.has(name);
    const print = (lines: readonly string[]) => {
      if (!isSilent) write(lines.map((line) => `${printable(line)}\n`).join(""));
    };
    const say = (text: string) => progress.note(text);
    const writers = { print, write, tell, say, isTerminal, isOutputTerminal };
    return await works[name]({ config, mirror, cwd, signal, handOverSignals, ...writers }, args);
  } catch (error) {
    return report(error, { json: config.json, verbose: config.verbose, tell, output });
  } finally {
    await mirror.close();
  }
}
