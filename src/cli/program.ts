/** The command line: commands, their options and examples. Parsing only; the work is in one file a command. */
import { Command as Program, CommanderError } from "commander";
import { options, shownDefault, type Option, type OptionKey } from "../options.ts";
import { printable } from "../text.ts";
import { version } from "../version.ts";

/** Those of every command. */
export const everywhere: OptionKey[] = ["mirror", "hexDir", "gitDir", "privateKey", "json", "logLevel"];
const signing: OptionKey[] = ["registryName", "newKey"];
/** What is wanted besides what locks name, and of whom. */
const wanted: OptionKey[] = ["packages", "repos", "docs", "lists", "installers", "elixir", "otp"];
/** Whether and how what is asked for is fetched. */
const pulling: OptionKey[] = [
  "pull",
  "offline",
  "maxAge",
  "upstreamTimeout",
  "local",
  "upstream",
  "upstreamKey",
  "hexUrl",
  "hexPublicKey",
  "buildsUrl",
  "buildsPublicKey",
  "allowHosts",
  "allowOwners",
  "maxSize",
  "maxItemSize",
  "pullPrivate",
];

export interface CommandDescription {
  readonly summary: string;
  /** As usage shows them; absent: the command takes no arguments. */
  readonly argument?: { readonly name: string; readonly help: string };
  /** Whether what follows the first argument belongs to that, options included. */
  readonly passesOptions?: true;
  readonly options: readonly OptionKey[];
  readonly examples: readonly string[];
}

/** By name, as they are typed. */
export const commands = {
  serve: {
    summary: "serve the mirror over HTTP and HTTPS",
    options: [
      ...([
        "host",
        "port",
        "tlsPort",
        "tls",
        "name",
        "certsDir",
        "cacheDir",
        "grace",
        "workers",
        "gitMaxProcesses",
        "gitCacheSize",
        "trustProxy",
        "requireToken",
        "tlsCert",
        "tlsKey",
        "tlsCa",
        "forgetCaKey",
      ] as const),
      ...pulling,
      "watch",
      "lockName",
      "gitRefs",
      "gitShallow",
      "allowLocalGit",
      "concurrency",
      "deadline",
      ...wanted,
      ...signing,
    ],
    examples: [
      "mirror-server serve",
      "mirror-server serve --watch ~/my_app             # sync its locks whenever they change",
      "mirror-server serve --port 0 --no-tls            # any free port, HTTP only",
      "mirror-server serve --offline                    # what is held, and nothing else",
      "mirror-server serve --hex-dir .hex_repo --git-dir .git_repo --private-key private_key.pem",
    ],
  },
  sync: {
    summary: "fetch and verify what locks name, then sign the registry",
    argument: { name: "lock", help: "mix.lock or rebar.lock files, or project folders; none: the working folder" },
    options: [
      ...wanted,
      "cacheDir",
      "buildsUrl",
      "buildsPublicKey",
      "upstream",
      "hexUrl",
      "hexPublicKey",
      "concurrency",
      "deadline",
      "dryRun",
      "ifChanged",
      "lockName",
      "gitRefs",
      "gitShallow",
      "allowLocalGit",
      "allowHosts",
      "allowOwners",
      "newUpstreamKey",
      "acceptChanged",
      "local",
      "fromUpstream",
      ...signing,
    ],
    examples: [
      "mirror-server sync                               # ./mix.lock",
      "mirror-server sync ~/my_app ~/other/mix.lock     # several apps in one mirror",
      "mirror-server sync --dry-run                     # what is missing; no network",
      "mirror-server sync --package rebar3_hex@7.0.8    # what no lock names",
      "mirror-server sync --installers --elixir 1.17.3 --otp 27",
    ],
  },
  build: {
    summary: "sign the registry anew from the tarballs in the folder",
    options: ["adopt", "dryRun", "hexPublicKey", "repos", "cacheDir", ...signing],
    examples: [
      "mirror-server build",
      "mirror-server build --adopt my_package@1.0.0     # what no upstream record covers",
      "mirror-server build --private-key my_key.pem --new-key",
    ],
  },
  verify: {
    summary: "is everything that the locks name here and intact? exit 3 if not",
    argument: { name: "lock", help: "mix.lock or rebar.lock files, or project folders; none: the working folder" },
    options: ["lockName", "allowLocalGit", "allowHosts", "allowOwners", "deep", "dryRun", "hexPublicKey", ...wanted],
    examples: [
      "mirror-server verify",
      "mirror-server verify --deep                       # and whether all else is",
      "mirror-server verify ~/my_app --json | jq .missing",
    ],
  },
  prune: {
    summary: "remove what no known lock and no entry of the configuration needs",
    options: ["keepLocks", "unused", "dryRun", "hexPublicKey", "cacheDir", ...wanted, ...signing],
    examples: [
      "mirror-server prune --dry-run",
      "mirror-server prune --keep-locks my_app,other_app",
      "mirror-server prune --unused 90d                 # of that, what nobody has asked for lately",
    ],
  },
  status: {
    summary: "what is held, for which locks, and how big",
    options: ["certsDir"],
    examples: ["mirror-server status", "mirror-server status --json | jq '.git[] | select(.shallow)'"],
  },
  exec: {
    summary: "run a command with Hex, Mix, rebar3 and git pointed at the mirror",
    argument: { name: "command", help: "after --, with its arguments" },
    passesOptions: true,
    options: [
      "url",
      "requireToken",
      "hermetic",
      "host",
      "port",
      "tlsPort",
      "certsDir",
      "cacheDir",
      ...pulling,
      "repos",
      "lockName",
      "gitMaxProcesses",
      "gitCacheSize",
      ...signing,
    ],
    examples: [
      "mirror-server exec -- mix deps.get",
      "mirror-server exec -- sh                         # a shell in which every client uses the mirror",
      "mirror-server exec --hermetic -- mix test        # and in which nothing else can be reached",
    ],
  },
  env: {
    summary: "print the environment variables that point clients at the running mirror",
    options: [
      "format",
      "revert",
      "url",
      "requireToken",
      "host",
      "port",
      "tlsPort",
      "certsDir",
      "cacheDir",
      "pull",
      "offline",
      "allowHosts",
    ],
    examples: [
      'eval "$(mirror-server env)"',
      'eval "$(mirror-server env --revert)"             # back online',
      'mirror-server env --format github-actions >> "$GITHUB_ENV"',
    ],
  },
  init: {
    summary: "write what a project needs to use a mirror, beside its own files, never over what is yours",
    options: ["compose", "service", "commit", "lockName", "registryName", "allowLocalGit", "allowHosts", "allowOwners"],
    examples: ["mirror-server init", "mirror-server init --compose --service web", "mirror-server init --commit"],
  },
  doctor: {
    summary: "what stands in the way on this machine, and what is done with your settings; exit 0 or 1",
    options: [
      "host",
      "port",
      "tlsPort",
      "tls",
      "certsDir",
      "cacheDir",
      "pull",
      "offline",
      "tlsCert",
      "tlsKey",
      "tlsCa",
    ],
    examples: ["mirror-server doctor", "mirror-server doctor --json | jq '.checks[] | select(.state != \"ok\")'"],
  },
  certs: {
    summary: "renew the server certificate, or make a new local authority",
    argument: { name: "action", help: "renew" },
    options: ["newCa", "forgetCaKey", "certsDir", "host", "name"],
    examples: ["mirror-server certs renew", "mirror-server certs renew --new-ca --name git.corp.example"],
  },
  health: {
    summary: "ask the running server; exit 0 or 1",
    options: ["host", "port"],
    examples: ["mirror-server health", "mirror-server health --port 8080"],
  },
} satisfies Record<string, CommandDescription>;

export type CommandName = keyof typeof commands;

export interface Invocation {
  readonly name: CommandName;
  readonly args: readonly string[];
  /** Options that were typed, by key. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** @returns undefined when help or the version was printed @throws CommanderError on wrong usage, already printed */
export async function parseCommandLine(argv: readonly string[]): Promise<Invocation | undefined> {
  let invocation: Invocation | undefined;
  const program = new Program("mirror-server")
    .description("A verified offline mirror for the dependencies of Elixir and Erlang apps.")
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: (text) => void process.stderr.write(text.split("\n").map(printable).join("\n")) })
    .showHelpAfterError('Try "mirror-server --help".')
    .addHelpText(
      "after",
      '\nEach setting is also an environment variable (--hex-dir: MIRROR_HEX_DIR; --mirror:\nMIRROR_DIR) and a key in mirror.config.json ("hexDir"). See docs/configuration.md.',
    );
  for (const [name, description] of Object.entries<CommandDescription>(commands)) {
    const command = program.command(name).summary(description.summary).description(description.summary).exitOverride();
    command.showHelpAfterError(`Try "mirror-server ${name} --help".`);
    if (description.argument !== undefined)
      command.argument(`[${description.argument.name}...]`, description.argument.help);
    const keys = [...description.options, ...everywhere].map((key) => [addOption(command, options[key]), key] as const);
    command.option("--config <file>", "configuration file, when not ./mirror.config.json");
    command.addHelpText("after", `\nExamples:\n${description.examples.map((line) => `  ${line}`).join("\n")}`);
    if (description.passesOptions) command.passThroughOptions();
    command.action(() => {
      invocation = { name: name as CommandName, args: command.args, flags: typed(command, new Map(keys)) };
    });
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return undefined;
    throw error;
  }
  return invocation;
}

/** @returns the name under which commander keeps its value */
function addOption(command: Program, described: Option): string {
  const { flag = "", help, isRepeatable } = described;
  const usual = shownDefault(described);
  const option = command.createOption(flag, usual === undefined ? help : `${help} (default: ${usual})`);
  if (isRepeatable) option.argParser((value: string, earlier?: string[]) => [...(earlier ?? []), value]);
  command.addOption(option);
  return option.attributeName();
}

/** By option key. `--no-tls` gives commander's key `tls` a default; only what was typed counts. */
function typed(command: Program, keys: ReadonlyMap<string, OptionKey>): Record<string, unknown> {
  const values = Object.entries(command.opts<Record<string, unknown>>());
  const given = values.filter(([name]) => command.getOptionValueSource(name) === "cli");
  return Object.fromEntries(given.map(([name, value]) => [keys.get(name) ?? name, value]));
}
