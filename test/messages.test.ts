/** Whatever the program prints can be found in docs/guides/messages.md; `vitest -u` writes the lists anew. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { between } from "./support/documentation.ts";
import { allMessages, type Message } from "./support/messages.ts";

const documentation = new URL("../docs/guides/messages.md", import.meta.url);

const messages = await allMessages();

test("docs/guides/messages.md lists every message, by what kind it is", async () => {
  const before = await readFile(documentation, "utf8");
  const kinds = new Set(messages.map(kindOf));
  for (const kind of kinds) expect(before).toContain(`<!-- ${kind} -->`);
  const after = [...kinds].reduce((text, kind) => between(text, kind, listOf(messages, kind)), before);
  await expect(after).toMatchFileSnapshot(documentation.pathname);
});

test("they are read from the sources as these stand", async () => {
  const texts = messages.map(({ text }) => text);
  expect(texts.length).toBeGreaterThan(250);
  expect(texts).toContain("there is no mix.lock, rebar.lock or manifest.toml in …; …");
  expect(texts).toContain("this server has no secret to prove itself by");
});

/** One that may be of two kinds stands with the first. */
function kindOf({ code }: Message): string {
  return code === "" ? "upstream" : (code.split(" or ")[0] ?? code);
}

function listOf(messages: readonly Message[], kind: string): string {
  const texts = new Set(messages.filter((each) => kindOf(each) === kind).map(({ text }) => text));
  return `\n${[...texts]
    .toSorted()
    .map((text) => `- ${code(text)}\n`)
    .join("")}\n`;
}

/** As code, whatever marks of Markdown it holds. */
function code(text: string): string {
  const mark = text.includes("`") ? "``" : "`";
  return `${mark}${text.replaceAll(/\s+/g, " ")}${mark}`;
}
