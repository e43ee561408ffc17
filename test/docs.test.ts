/** What the guides tell people to type and to write exists: commands with their options, files that are linked, YAML. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { commands, optionsOf, type CommandDescription } from "../src/cli/commands.ts";
import { topics } from "../src/documents.ts";
import { flagName, options } from "../src/options.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const guides = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".md"),
);
const files = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "certs/README.md",
  ...guides.map((file) => `docs/${file}`),
];
const textOf = (file: string) => readFileSync(join(root, file), "utf8");
const shown: readonly (string | undefined)[] = [...topics(), "guides", ...Object.keys(commands)];
const known: Readonly<Record<string, CommandDescription>> = commands;

/** What stands between fences, by the language that it is said to be. */
function blocks(text: string): { readonly language: string; readonly content: string }[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = "", content = ""]) => ({
    language,
    content,
  }));
}

function flagsOf(name: string): ReadonlySet<string> {
  const description = known[name];
  if (description === undefined) return new Set();
  return new Set([...optionsOf(description).map((key) => flagName(options[key])), "--config", "--help"]);
}

describe.each(files)("%s", (file) => {
  test("each command that it tells to type is one, with its options", () => {
    const typed = blocks(textOf(file)).flatMap(({ content }) => [
      ...content.matchAll(/(?:^|[\s"(])mirror-server (?!\[)([a-z]+)(?![a-z:])([^\n#|)"&]*)/g),
    ]);
    const wrong = typed.flatMap(([whole, name = "", rest = ""]) => {
      if (name === "help") return [...shown, undefined].includes(/^ ([a-z-]+)/.exec(rest)?.[1]) ? [] : [whole];
      if (name === "completion") return /^ (?:bash|zsh|fish)/.test(rest) ? [] : [whole];
      if (known[name] === undefined) return [whole];
      const own = rest.split(" -- ", 1)[0] ?? "";
      const unknown = (own.match(/--[a-z][a-z-]*/g) ?? []).filter((flag) => !flagsOf(name).has(flag));
      return unknown.map((flag) => `${name} ${flag}`);
    });
    expect(wrong.filter((text) => !/mirror-server (?:itself|is|has)/.test(text))).toEqual([]);
  });

  test("what it links to is there", () => {
    const links = [...textOf(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(
      ([, path = ""]) => path,
    );
    expect(links.filter((path) => !existsSync(join(root, dirname(file), path)))).toEqual([]);
  });

  test("its YAML is YAML", () => {
    const yaml = blocks(textOf(file)).filter(({ language }) => language === "yaml");
    const errors = yaml.flatMap(({ content }) =>
      parseAllDocuments(content).flatMap((document) => document.errors ?? []),
    );
    expect(errors).toEqual([]);
  });
});

test("every guide begins with what it is for", () => {
  const openings = readdirSync(join(root, "docs/guides")).map(
    (file) => [file, textOf(`docs/guides/${file}`).split("\n")[2]] as const,
  );
  const without = openings.filter(
    ([file, opening = ""]) => file !== "messages.md" && !/^For (?:who|a|jobs|many|projects)/.test(opening),
  );
  expect(without).toEqual([]);
});
