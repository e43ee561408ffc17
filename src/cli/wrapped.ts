/** Lines for a terminal. Apart from plain-text.ts, which brings in a library. */

/** Text in lines of a width, broken at spaces. A word that is longer stays whole: it is a path or a command. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}

/** The same, with what follows the first line further in. @param indent of the first, and two more of the others */
export function hanging(text: string, indent: string, width = 80): string[] {
  const lines = wrapped(text, width - indent.length - 2);
  return lines.map((line, index) => (index === 0 ? indent : `${indent}  `) + line);
}
