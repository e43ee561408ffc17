/** `mirror-server init` */
import { shellQuoted } from "../text.ts";
import type { InitResult } from "../mirror/init.ts";
import { printResult, type Command, type CommandContext } from "./command.ts";
import { readLocks } from "./locks.ts";

export const init: Command = async (context) => {
  const { cwd, mirror } = context;
  const locks = (await readLocks([], context, { mayLack: true })) ?? [];
  printResult(context, await mirror.init(cwd, locks), (result) => lines(result, context));
  return 0;
};

function lines({ written, unchanged, kept, notes, ...next }: InitResult, { config }: CommandContext): string[] {
  return [
    ...written.map((path) => `wrote ${path}`),
    ...unchanged.map((path) => `${path} is as it should be`),
    ...kept.map((path) => `left ${path} alone: it is there and says something else; delete it to have it written anew`),
    ...notes.map((note) => `mind: ${note}`),
    ...(written.length === 0 ? [] : ["", ...nextSteps(next, config.commit)]),
  ];
}

function nextSteps(
  { composeArguments, hook }: Pick<InitResult, "composeArguments" | "hook">,
  commit: boolean,
): string[] {
  return [
    "Next:",
    ...(composeArguments !== undefined
      ? [
          "  docker build -t mirror-server .        in a clone of mirror-server, once",
          `  docker compose ${composeArguments} up`,
        ]
      : [
          "  mirror-server exec -- mix deps.get",
          "  mirror-server sync                 fill the mirror from the lock here",
        ]),
    ...(commit ? ["  git add .mirror                        after each sync"] : []),
    `  ln -s ${shellQuoted(`../../${hook}`)} .git/hooks/pre-commit    at the top of the repository, to refuse commits that the mirror does not cover`,
  ];
}
