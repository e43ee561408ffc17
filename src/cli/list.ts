/** `mirror-server list [NAME…]` */
import type { ListedItem } from "../mirror/list.ts";
import type { Item } from "../names/item.ts";
import { formatBytes, oneOf } from "../text.ts";
import { printResult, type Command } from "./command.ts";
import { isCompanion, showLocks } from "./items.ts";
import { showItem } from "../names/shown-item.ts";

export const list: Command = async (context, args) => {
  const patterns = args.map(patternOf);
  const isMeant = (name: string) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name));
  const held = (await context.mirror.list()).filter(({ item }) => namesOf(item).some(isMeant));
  printResult(context, held, (items) => lines(items, args));
  return 0;
};

/** By which somebody may look for it. */
function namesOf(item: Item): string[] {
  switch (item.kind) {
    case "release":
    case "documentation":
      return [item.name, `${item.name} ${item.version}`, `${item.name}@${item.version}`];
    case "package":
    case "policy":
    case "record":
      return [item.name];
    case "git":
      return [item.path, item.path.slice(item.path.lastIndexOf("/") + 1), `${item.host}/${item.path}`, showItem(item)];
    case "installer":
      return [item.path];
    case "file":
      return [item.url];
    default:
      return [showItem(item)];
  }
}

/** @param text a part of the name, or all of it with `*` for anything */
function patternOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  // Two stars in a row say no more than one, and take a pattern long to try.
  return new RegExp(parts.length === 1 ? parts.join("") : `^${parts.join(".*").replace(/(?:\.\*)+/g, ".*")}$`, "i");
}

function lines(items: readonly ListedItem[], args: readonly string[]): string[] {
  if (items.length === 0)
    return [args.length === 0 ? "nothing is held" : `nothing that is held is called ${oneOf(args)}`];
  // What goes with something else is told to machines only.
  const things = items.filter(({ item }) => !isCompanion(item));
  const rows = things.map(({ item, bytes, locks }) => ({
    name: showItem(item),
    size: formatBytes(bytes),
    wanted: showLocks(locks),
  }));
  const width = Math.min(56, Math.max(...rows.map(({ name }) => name.length)));
  return rows.map(({ name, size, wanted }) => `${name.padEnd(width)}  ${size.padStart(8)}  ${wanted}`.trimEnd());
}
