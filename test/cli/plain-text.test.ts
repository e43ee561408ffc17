/** Guides on a terminal: every one of ours in 80 columns, but for code and for words that are longer. */
import { describe, expect, test } from "vitest";
import { plainText } from "../../src/cli/plain-text.ts";
import { readDocument, topics } from "../../src/documents.ts";

test("paragraphs are wrapped, code is not, tables become entries, links name their guide", () => {
  const long = "word ".repeat(30).trim();
  const markdown = `# Title\n\n${long} and [another](../guides/office.md#x) \`a <b>\`.\n\n    raw   code\n\n| k | v | w |\n|---|---|---|\n| **x** | one | two |\n\n- item [web](https://x.org)\n`;
  const lines = plainText(markdown).split("\n");
  expect(lines).toEqual(expect.arrayContaining(["Title", "=====", "    raw   code", "x", "    v: one", "    w: two"]));
  expect(lines).toContain("  - item web (https://x.org)");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines.join(" ")).toContain("another (help office) a <b>.");
});

describe.each(topics())("the guide %s", (topic) => {
  test("fits into 80 columns, and holds what its source says", () => {
    const text = readDocument(topic);
    const shown = plainText(text);
    const code = new Set(text.split("\n").map((line) => `    ${line}`));
    const tooLong = shown
      .split("\n")
      .filter((line) => line.length > 80 && !code.has(line) && /\S\s+\S/.test(line.trim()));
    expect(
      tooLong.filter((line) =>
        line
          .trim()
          .split(/\s+/)
          .every((word) => word.length < 72),
      ),
    ).toEqual([]);
    // Columns are not named where there are no columns.
    const content = text.replace(/<!--[\s\S]*?-->|^```\w*$|\]\([^)]*\)|^\|.*\n(?=\| *-)/gm, "");
    const inLowerCase = shown.toLowerCase();
    const words = (from: string) => from.match(/[A-Za-z]{4,}/g) ?? [];
    const missing = words(content).filter((word) => !inLowerCase.includes(word.toLowerCase()));
    expect(missing).toEqual([]);
  });
});
