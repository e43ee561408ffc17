/** Tables of the documentation that are made from the program's own. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

/** Puts `content` between `<!-- name -->` and `<!-- end of name -->`. */
export function between(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  return `${text.slice(0, text.indexOf(start) + start.length)}${content}${text.slice(text.indexOf(end))}`;
}
