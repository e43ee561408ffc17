/** `mirror-server list [NAME…]` */
import type { ListedItem } from "../mirror/list.ts";
import { printResult, type Command } from "./command.ts";
import { showItem } from "./items.ts";
import { formatBytes } from "./progress.ts";

export const list: Command = async (context, args) => {
  const all = await context.mirror.list();
  const held = all.filter(({ item }) => args.length === 0 || args.some((arg) => matches(showItem(item), arg)));
  printResult(context, held, (items) => lines(items, args));
  return 0;
};

/** @param pattern a part of the name, or all of it with `*` for anything */
function matches(name: string, pattern: string): boolean {
  const parts = pattern.toLowerCase().split("*");
  const text = name.toLowerCase();
  const [first = ""] = parts;
  if (parts.length === 1) return text.includes(first);
  // What follows the name is its version, or a repository's host comes before it.
  const from = text.startsWith(first) ? 0 : text.indexOf(`/${first}`) + 1;
  let at = from;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.startsWith(first, from);
}

function lines(items: readonly ListedItem[], args: readonly string[]): string[] {
  if (items.length === 0)
    return [args.length === 0 ? "nothing is held" : `nothing that is held is called ${args.join(" or ")}`];
  const rows = items.map(({ item, bytes, locks }) => ({
    name: showItem(item),
    size: formatBytes(bytes),
    wanted: wanting(item, [...new Set(locks)]),
  }));
  const width = Math.min(56, Math.max(...rows.map(({ name }) => name.length)));
  return rows.map(({ name, size, wanted }) => `${name.padEnd(width)}  ${size.padStart(8)}  ${wanted}`.trimEnd());
}

function wanting({ kind }: ListedItem["item"], locks: readonly string[]): string {
  // They go with what they are about.
  if (kind === "record" || kind === "registry" || kind === "upstream-lists") return "";
  return locks.length === 0 ? "(no known lock)" : locks.join(", ");
}
