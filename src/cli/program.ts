/** The command line: parsing and help only; the work is in one file a command. */
import { Command as Program, CommanderError, Option as Flag } from "commander";
import { options, shownDefault, type Option, type OptionKey } from "../options.ts";
import { printable } from "../text.ts";
import { homepage, version } from "../version.ts";
import { maybeMeant } from "../maybe-meant.ts";
import {
  besides,
  commands,
  configFlag,
  optionGroups,
  optionsOf,
  type CommandDescription,
  type CommandName,
} from "./commands.ts";

export interface Invocation {
  readonly name: CommandName;
  readonly args: readonly string[];
  /** Options that were typed, by key. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** What needs no mirror and no configuration: a guide, or a shell's completion. */
export interface Asked {
  readonly name: "guide" | "completion";
  /** As typed. */
  readonly what: string;
}

// What fits everywhere, and what a line of examples may have.
const columns = 80;

/** @returns undefined when help or the version was printed @throws CommanderError on wrong usage, already printed */
export async function parseCommandLine(argv: readonly string[]): Promise<Invocation | Asked | undefined> {
  let asked: Invocation | Asked | undefined;
  const program = new Program("mirror-server")
    .description("A verified offline mirror for the dependencies of Elixir and Erlang apps.")
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput(output)
    .configureHelp({ helpWidth: helpWidth(), subcommandTerm: (command) => command.name() })
    .helpCommand(false)
    .showHelpAfterError('Try "mirror-server --help".')
    .addHelpText("after", afterAll);
  for (const [name, description] of Object.entries<CommandDescription>(commands)) {
    addCommand(program, name as CommandName, description, (invocation) => (asked = invocation));
  }
  program
    .command("help")
    .summary(besides.help)
    .description("Shows the help of a command, or a guide.")
    .argument("[topic]", "a command or a guide")
    .allowExcessArguments()
    .action((topic?: string) => {
      const command = program.commands.find((each) => each.name() === topic);
      if (topic === undefined) program.outputHelp();
      else if (command !== undefined) command.outputHelp();
      else asked = { name: "guide", what: topic };
    });
  program
    .command("completion")
    .summary(besides.completion)
    .description("Prints what a shell completes commands and options with.")
    .argument("<shell>", "bash, zsh or fish")
    .addHelpText("after", completionHelp)
    .showHelpAfterError('Try "mirror-server completion --help".')
    .action((shell: string) => void (asked = { name: "completion", what: shell }));
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return undefined;
    throw error;
  }
  return asked;
}

const output = {
  writeErr: (text: string) => void process.stderr.write(text.split("\n").map(printable).join("\n")),
  // All that goes wrong begins alike.
  outputError: (text: string, write: (text: string) => void) => write(text.replace(/^error: /, "mirror-server: ")),
};

function helpWidth(): number {
  return Math.min(columns, process.stdout.columns ?? columns);
}

const afterAll = `
Guides: mirror-server help laptop, docker-compose, ci, troubleshooting and more;
"mirror-server help guides" lists them. On the web:
${homepage}

Each setting is also an environment variable (--hex-dir: MIRROR_HEX_DIR;
--mirror: MIRROR_DIR) and a key in mirror.config.json ("hexDir"):
"mirror-server help configuration".`;

const completionHelp = `
Examples:
  source <(mirror-server completion bash)      # in ~/.bashrc
  source <(mirror-server completion zsh)       # in ~/.zshrc, after compinit
  mirror-server completion fish | source       # in ~/.config/fish/config.fish`;

function addCommand(
  program: Program,
  name: CommandName,
  description: CommandDescription,
  onAsked: (invocation: Invocation) => void,
): void {
  const { summary, argument, examples, guide, passesOptions } = description;
  const command = program
    .command(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`);
  command.showHelpAfterError(`Try "mirror-server ${name} --help".`);
  if (argument !== undefined) command.argument(`[${argument.name}...]`, argument.help);
  const keys = new Map(
    inOrder(description).map((key) => {
      const flag = makeFlag(key, description);
      command.addOption(flag);
      return [flag.attributeName(), key] as const;
    }),
  );
  const config = new Flag(`${configFlag.long} ${configFlag.value}`, configFlag.help);
  command.addOption(config.helpGroup("Which mirror:"));
  command.helpOption("-h, --help", "show this");
  command.addHelpText(
    "after",
    `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}\n\nMore: mirror-server help ${guide}\n      ${homepage}`,
  );
  if (passesOptions) command.passThroughOptions();
  command.action(() => {
    refuseOtherChoices(command, argument?.choices);
    onAsked({ name, args: command.args, flags: typed(command, keys) });
  });
}

/** Its own first, then group by group. */
function inOrder(description: CommandDescription): OptionKey[] {
  const grouped = Object.values(optionGroups).flat();
  const others = optionsOf(description).slice(description.own.length);
  return [...description.own, ...others.toSorted((a, b) => grouped.indexOf(a) - grouped.indexOf(b))];
}

function makeFlag(key: OptionKey, { own, meanings = {} }: CommandDescription): Flag {
  const described: Option = options[key];
  const usual = shownDefault(described);
  const help = meanings[key] ?? described.help;
  const flag = new Flag(described.flag ?? "", usual === undefined ? help : `${help} (default: ${usual})`);
  if (described.isRepeatable) {
    flag.argParser((value: string, earlier?: string[]) => [...(earlier ?? []), value]);
  }
  const group = Object.entries(optionGroups).find(([, keys]) => keys.includes(key))?.[0];
  return own.includes(key) || group === undefined ? flag : flag.helpGroup(`${group}:`);
}

function refuseOtherChoices(command: Program, choices: readonly string[] | undefined): void {
  const [given] = command.args;
  if (choices === undefined || given === undefined || choices.includes(given)) return;
  command.error(`error: ${JSON.stringify(given)} is no ${command.name()} action; ${maybeMeant(given, choices)}`, {
    exitCode: 2,
  });
}

/** By option key. `--no-tls` gives commander's key `tls` a default; only what was typed counts. */
function typed(command: Program, keys: ReadonlyMap<string, OptionKey>): Record<string, unknown> {
  const values = Object.entries(command.opts<Record<string, unknown>>());
  const given = values.filter(([name]) => command.getOptionValueSource(name) === "cli");
  return Object.fromEntries(given.map(([name, value]) => [keys.get(name) ?? name, value]));
}
