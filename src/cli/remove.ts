/** `mirror-server remove NAME@VERSION…` */
import { MirrorError } from "../errors.ts";
import { parseRelease } from "../options.ts";
import { showItem } from "../names/shown-item.ts";
import { printResult, type Command } from "./command.ts";

export const remove: Command = async (context, args) => {
  const { into } = context.config;
  const named = args.map((text) => {
    const release = parseRelease(text);
    if (release !== undefined) return { repository: into, ...release };
    throw new MirrorError("usage", `${JSON.stringify(text)} is no release; give NAME@VERSION, such as acme@1.0.0`);
  });
  if (named.length === 0) throw new MirrorError("usage", "no release is named; give NAME@VERSION, such as acme@1.0.0");
  const result = await context.mirror.remove(named);
  printResult(context, result, ({ removed }) => removed.map((item) => `removed ${showItem(item)}`));
  return 0;
};
