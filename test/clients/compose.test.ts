/** What is read of compose files and Dockerfiles, and the mark on what `init` wrote. */
import { describe, expect, test } from "vitest";
import { dependenciesOf, readServices, splitWords, variableNamesOf } from "../../src/clients/compose-file.ts";
import { startOf } from "../../src/clients/dockerfile.ts";
import { isUnchanged, marked } from "../../src/clients/mark.ts";

describe("a command in one text is split as compose splits it", () => {
  test.each([
    ["mix phx.server", ["mix", "phx.server"]],
    ["  sh  -c 'a  b' ", ["sh", "-c", "a  b"]],
    ['sh -c "echo \\"x\\" \\$y" it\\ s', ["sh", "-c", 'echo "x" $y', "it s"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["'' x", ["", "x"]],
    ["", []],
  ])("%j", (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });
});

describe("compose files", () => {
  test("with anchors, both ways to write a list, and a file laid over", () => {
    const main = `
x-common: &common
  environment:
    A: "1"
    B:
services:
  web:
    <<: *common
    build: ./web
    depends_on: [db]
    links: ["db:database"]
    volumes:
      - ./data:/data
      - type: bind
        source: ./more
        target: /more
  db:
    image: postgres
    environment: [X=1, Y]
`;
    const over =
      "services:\n  web:\n    command: [run]\n    depends_on:\n      cache:\n        condition: service_healthy\n  cache: {image: redis}\n";
    const services = readServices([
      { name: "compose.yaml", text: main },
      { name: "compose.override.yml", text: over },
    ]);
    const web = services.get("web");
    expect([...services.keys()]).toEqual(["web", "db", "cache"]);
    expect(web).toMatchObject({ build: { context: "./web" }, command: ["run"], links: ["db:database"] });
    expect(web?.volumes).toEqual(["./data", "./more"]);
    expect(dependenciesOf(web)).toEqual({
      db: { condition: "service_started" },
      cache: { condition: "service_healthy" },
    });
    const db = services.get("db");
    expect(db === undefined ? [] : variableNamesOf(db)).toEqual(["X", "Y"]);
  });

  test.each([
    ["services: [", /compose\.yml is not YAML: /],
    ["services:\n  web:\n    links: 3\n", /compose\.yml: services\.web\.links is not as compose wants it/],
    ["- a\n", /compose\.yml: .*is not as compose wants it/],
  ])("%j is told by its place", (text, words) => {
    expect(() => readServices([{ name: "compose.yml", text }])).toThrow(words);
  });

  test("an empty one has no services", () => {
    expect(readServices([{ name: "compose.yml", text: "" }]).size).toBe(0);
  });
});

describe("an image from a Dockerfile starts with", () => {
  test.each([
    [
      'FROM elixir\nENTRYPOINT ["/run.sh", "-x"]\nCMD ["mix", "phx.server"]\n',
      ["/run.sh", "-x"],
      ["mix", "phx.server"],
      "elixir",
    ],
    [
      "FROM elixir:1.17\nENTRYPOINT exec run \\\n  now\n",
      ["/bin/sh", "-c", "exec run   now"],
      undefined,
      "elixir:1.17",
    ],
    ["FROM elixir\nCMD iex\n", undefined, ["/bin/sh", "-c", "iex"], "elixir"],
    ['FROM a AS base\nENTRYPOINT ["/e"]\nCMD ["c"]\nFROM base\nCMD ["d"]\n', ["/e"], ["d"], "a"],
    // An entrypoint of its own forgets the command below it.
    ['FROM a AS base\nCMD ["c"]\nFROM base\nENTRYPOINT ["/e"]\n', ["/e"], undefined, "a"],
    ['FROM a AS build\nENTRYPOINT ["/build"]\nFROM b\n', undefined, undefined, "b"],
    ["# nothing\n", undefined, undefined, undefined],
  ])("%j", (text, entrypoint, command, base) => {
    expect(startOf(text, undefined)).toEqual({ entrypoint, command, base });
  });

  test("the stage that is meant", () => {
    const text = 'FROM a AS Dev\nENTRYPOINT ["/dev"]\nFROM b AS prod\nENTRYPOINT ["/prod"]\n';
    expect(startOf(text, "dev").entrypoint).toEqual(["/dev"]);
  });
});

describe("what init wrote", () => {
  test("is known until somebody changes it, whatever git does to ends of lines", () => {
    const text = marked("#!/bin/sh\necho\n");
    expect(isUnchanged(text)).toBe(true);
    expect(isUnchanged(text.replaceAll("\n", "\r\n"))).toBe(true);
    expect(isUnchanged(text.replace("echo", "echo mine"))).toBe(false);
    expect(isUnchanged("#!/bin/sh\necho\n")).toBe(false);
    expect(isUnchanged(`${text}mine\n`)).toBe(false);
  });
});
