/** The table of options is the only source: `Config`, help, and docs/configuration.md, which `vitest -u` writes anew. */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { commands, everywhere, optionsOf, type CommandDescription } from "../src/cli/commands.ts";
import { loadConfig } from "../src/config.ts";
import { flagName, options, shownDefault, variableOf, type Option, type OptionKey } from "../src/options.ts";
import { between, table } from "./support/documentation.ts";
import { mirrorServer } from "./support/cli.ts";
import { temporaryFolder } from "./support/folder.ts";

const documentation = new URL("../docs/configuration.md", import.meta.url);
const keys = Object.keys(options) as OptionKey[];
const optionOf = (key: OptionKey): Option => options[key];
const described: Readonly<Record<string, CommandDescription>> = commands;
const takers = (key: OptionKey) =>
  everywhere.includes(key)
    ? []
    : Object.entries(described).flatMap(([name, each]) => (optionsOf(each).includes(key) ? [name] : []));

test("docs/configuration.md lists each option as the table has it", async () => {
  const before = await readFile(documentation, "utf8");
  const settings = keys.filter((key) => optionOf(key).scope === "setting");
  const once = keys.filter((key) => optionOf(key).scope === "command");
  const after = [
    ["settings", table(["flag", "environment", "file", "default", "commands", "meaning"], settings.map(settingRow))],
    ["commands", table(["flag", "commands", "meaning"], once.map(commandRow))],
  ].reduce((text, [name = "", content = ""]) => between(text, name, content), before);
  await expect(after).toMatchFileSnapshot(documentation.pathname);
});

describe.each(Object.keys(commands))("%s --help", (name) => {
  test("lists its options, with what holds where nothing is said", async () => {
    const { stdout } = await mirrorServer([name, "--help"], { cwd: await temporaryFolder() });
    const text = stdout.replaceAll(/\s+/g, " ");
    const description: CommandDescription = commands[name as keyof typeof commands];
    for (const key of optionsOf(description)) {
      const { flag = "" } = optionOf(key);
      const help = description.meanings?.[key] ?? optionOf(key).help;
      const usual = shownDefault(optionOf(key));
      expect(text).toContain(`${flag} ${help}${usual === undefined ? "" : ` (default: ${usual})`}`);
    }
  });
});

test("Config has every option, and each of its defaults is allowed", () => {
  const config = loadConfig({ flags: {}, environment: { HOME: "/home/me" }, cwd: "/home/me/app" });
  // What is told by another field: the certificate of one's own, and installers for whom.
  const grouped = new Set(["tls", "tlsCert", "tlsKey", "tlsCa", "elixir", "otp"]);
  expect(keys.filter((key) => !(key in config) && !grouped.has(key))).toEqual([]);
});

test("every option can be given somewhere", () => {
  const unused = keys.filter((key) => !everywhere.includes(key) && takers(key).length === 0);
  // Too long for a flag.
  expect(unused.toSorted()).toEqual(["files", "policy", "upstreamTokens"]);
});

function takersOf(key: OptionKey): string {
  return everywhere.includes(key) ? "all" : takers(key).join(", ");
}

function settingRow(key: OptionKey): string[] {
  const option = optionOf(key);
  const isFlag = option.flag !== undefined;
  const isOff = flagName(option).startsWith("--no-");
  return [
    isFlag ? code(shownFlag(option)) : "",
    isFlag ? code(variableOf(key) + (isOff ? "=false" : "")) : "",
    isOff ? code(`"${key}": false`) : code(key),
    shownDefault(option) ?? "",
    takersOf(key),
    escape(option.help),
  ];
}

function commandRow(key: OptionKey): string[] {
  return [code(shownFlag(optionOf(key))), takersOf(key), escape(optionOf(key).help)];
}

/** `--hex-dir <dir>` → `--hex-dir DIR` */
function shownFlag({ flag = "" }: Option): string {
  return flag.replace(/<([^>]+)>/, (_, name: string) => name.toUpperCase());
}

function code(text: string): string {
  return `\`${text}\``;
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}
