/** `mirror-server completion SHELL`: a script for the shell, made of the tables of commands and options. */
import { topics } from "../documents.ts";
import { MirrorError } from "../errors.ts";
import { flagName, options, type Option, type OptionKey } from "../options.ts";
import { maybeMeant } from "../maybe-meant.ts";
import { singleQuoted } from "../text.ts";
import { besides, commands, configFlag, optionsOf, type CommandDescription } from "./commands.ts";

interface Completed {
  readonly name: string;
  readonly summary: string;
  /** Words that may follow; undefined: files. */
  readonly words: readonly string[] | undefined;
  readonly flags: readonly CompletedFlag[];
}

interface CompletedFlag {
  readonly long: string;
  readonly short: string | undefined;
  readonly help: string;
  readonly value: "none" | "file" | "any" | readonly string[];
}

const shells: Readonly<Record<string, (all: readonly Completed[]) => string>> = { bash, zsh, fish };

/** @throws MirrorError `usage` for another shell */
export function completionOf(shell: string): string {
  const script = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
  if (script !== undefined) return script(completed());
  const meant = maybeMeant(shell, Object.keys(shells));
  throw new MirrorError("usage", `there is no completion for ${JSON.stringify(shell)}; ${meant}`);
}

function completed(): Completed[] {
  const all = Object.entries<CommandDescription>(commands).map(([name, description]): Completed => {
    const { summary, argument } = description;
    const words =
      argument?.choices ?? (argument?.isFile === true || description.passesOptions === true ? undefined : []);
    const flags = optionsOf(description).map((key) => flagOf(key, description));
    const config: CompletedFlag = {
      long: configFlag.long,
      short: undefined,
      help: configFlag.help,
      value: "file",
    };
    return { name, summary, words, flags: [...flags, config] };
  });
  const words = { help: [...Object.keys(commands), ...topics(), "guides"], completion: Object.keys(shells) };
  const own = (["help", "completion"] as const).map((name) => ({
    name,
    summary: besides[name],
    words: words[name],
    flags: [],
  }));
  return [...all, ...own];
}

function flagOf(key: OptionKey, { meanings = {} }: CommandDescription): CompletedFlag {
  const option: Option = options[key];
  const [short] = /^-\w(?=,)/.exec(option.flag ?? "") ?? [];
  const takesValue = option.flag?.includes("<") === true;
  const value = !takesValue ? "none" : (option.choices ?? (option.path !== undefined ? "file" : "any"));
  return { long: flagName(option), short, help: meanings[key] ?? option.help, value };
}

function wordsOf({ long, short }: Pick<CompletedFlag, "long" | "short">): string[] {
  return short === undefined ? [long] : [long, short];
}

function bash(all: readonly Completed[]): string {
  const cases = all.map(({ name, words, flags }) => {
    const take = words === undefined ? "files=1" : `words=${singleQuoted(words.join(" "))}`;
    return `    ${name}) flags=${singleQuoted(flags.flatMap(wordsOf).join(" "))}; ${take} ;;`;
  });
  const values = new Map(all.flatMap(({ flags }) => flags.map(({ long, value }) => [long, value] as const)));
  const valueCases = [...values].flatMap(([long, value]) => {
    if (value === "none") return [];
    if (value === "any") return [`    ${long}) return ;;`];
    if (value === "file") return [`    ${long}) _mirror_server_paths -f; return ;;`];
    return [`    ${long}) COMPREPLY=($(compgen -W ${singleQuoted(value.join(" "))} -- "$word")); return ;;`];
  });
  return `# mirror-server: completion for bash
_mirror_server_paths() {
  local path
  COMPREPLY=()
  # As it is typed, a space has a backslash before it; what is offered gets that from the shell.
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$@" -- "\${word//\\\\/}" | sort -u)
}
_mirror_server() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} flags='' words='' files='' i
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W ${singleQuoted([...all.map(({ name }) => name), "--help", "--version"].join(" "))} -- "$word"))
    return
  fi
  # Behind -- it is another command's.
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [ "\${COMP_WORDS[i]}" = -- ]; then
      if declare -F _command_offset >/dev/null; then _command_offset $((i + 1))
      elif [ "$COMP_CWORD" = $((i + 1)) ]; then _mirror_server_paths -A command
      else _mirror_server_paths -f; fi
      return
    fi
  done
  case $before in
${valueCases.join("\n")}
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$flags --help" -- "$word")) ;;
    *) if [ -n "$files" ]; then _mirror_server_paths -f; else COMPREPLY=($(compgen -W "$words" -- "$word")); fi ;;
  esac
}
complete -o filenames -o bashdefault -F _mirror_server mirror-server
`;
}

function zsh(all: readonly Completed[]): string {
  const described = (text: string) => text.replace(/[[\]:\\]/g, (char) => `\\${char}`);
  const names = all.map(({ name, summary }) => `    ${singleQuoted(`${name}:${described(summary)}`)}`);
  const cases = all.map(({ name, flags, words }) => {
    const specs = flags.flatMap(({ long, short, help, value }) => {
      const action =
        value === "none" ? "" : `:value:${value === "file" ? "_files" : value === "any" ? "" : `(${value.join(" ")})`}`;
      return wordsOf({ long, short }).map((each) => singleQuoted(`*${each}[${described(help)}]${action}`));
    });
    const rest =
      name === "exec"
        ? "'*::command:_normal'"
        : words === undefined
          ? "'*:file:_files'"
          : `'*:what:(${words.join(" ")})'`;
    return `    ${name}) _arguments ${[...specs, "'--help[show help]'", rest].join(" ")} ;;`;
  });
  return `#compdef mirror-server
# mirror-server: completion for zsh
_mirror_server() {
  local -a known
  known=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command known
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
compdef _mirror_server mirror-server
`;
}

function fish(all: readonly Completed[]): string {
  const lines = all.flatMap(({ name, summary, words, flags }) => {
    const here = `complete -c mirror-server -n '__mirror_server_is ${name}'`;
    return [
      `complete -c mirror-server -n __fish_use_subcommand -f -a ${name} -d ${fishQuoted(summary)}`,
      ...(words === undefined ? [] : [`${here} -f${words.length === 0 ? "" : ` -a ${fishQuoted(words.join(" "))}`}`]),
      ...flags.map(({ long, short, help, value }) => {
        const shortFlag = short === undefined ? "" : ` -s ${short.slice(1)}`;
        const takes =
          value === "none"
            ? ""
            : value === "file"
              ? " -rF"
              : value === "any"
                ? " -x"
                : ` -x -a ${fishQuoted(value.join(" "))}`;
        return `${here} -l ${long.slice(2)}${shortFlag}${takes} -d ${fishQuoted(help)}`;
      }),
    ];
  });
  return [fishFunctions, ...lines, ""].join("\n");
}

// Behind -- it is another command's, which fish knows how to complete.
const fishFunctions = `# mirror-server: completion for fish
function __mirror_server_is
  set -l words (commandline -opc)
  test "$words[2]" = $argv[1]; and not contains -- -- $words
end
function __mirror_server_others
  set -l words (commandline -opc)
  set -l at (contains -i -- -- $words); or return 1
  set -l rest $words[(math $at + 1)..-1] (commandline -ct)
  complete -C (string join ' ' -- $rest)
end
complete -c mirror-server -n 'contains -- -- (commandline -opc)' -f -a '(__mirror_server_others)'
complete -c mirror-server -n __fish_use_subcommand -f -l help -s h -d 'show help'
complete -c mirror-server -n __fish_use_subcommand -f -l version -s V -d 'show the version'`;

/** As fish has it: a backslash before what counts within quotes. */
function fishQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, (char) => `\\${char}`)}'`;
}
