/** `mirror-server add FILE…` */
import { resolve } from "node:path";
import type { AddResult } from "../mirror/add.ts";
import { hexpm, ownRepository } from "../names/hex-repository.ts";
import type { Item } from "../names/item.ts";
import { showItem } from "../names/shown-item.ts";
import { printResult, type Command } from "./command.ts";

export const add: Command = async (context, files) => {
  const { into: repository = ownRepository, docsFile: docs, acceptChanged } = context.config;
  const result = await context.mirror.add(
    files.map((file) => ({ file, path: resolve(context.cwd, file) })),
    { repository, docs, acceptChanged },
  );
  printResult(context, result, lines);
  return 0;
};

const apart = "rebar3 does not tell them apart, and takes the first that it finds";

function lines({ repository, added, unchanged, ambiguous }: AddResult): string[] {
  return [
    ...added.map((item) => `added ${showItem(item)}`),
    ...unchanged.map((item) => `${showItem(item)} is here already`),
    ...ambiguous.map(({ name, other }) => `${name} is a package of ${other}'s, too: ${apart}`),
    ...added.flatMap((item) => dependencyOn(item, repository)),
  ];
}

/** As `mix.exs` has it. */
function dependencyOn(item: Item, repository: string): string[] {
  if (item.kind !== "release") return [];
  const [major = "0", minor = "0"] = item.version.split(".");
  // What was never released has no range that takes it.
  const requirement = item.version.includes("-") ? `~> ${item.version}` : `~> ${major}.${minor}`;
  const option = repository === hexpm ? "" : `, repo: "${repository}"`;
  return [`  {:${item.name}, "${requirement}"${option}}`];
}
