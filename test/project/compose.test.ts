/** What is read of compose files and Dockerfiles, and the mark on what `init` wrote. */
import { describe, expect, test } from "vitest";
import { dependenciesOf, readCompose, splitWords, variableNamesOf } from "../../src/project/compose-file.ts";
import { planServices } from "../../src/project/compose-plan.ts";
import { startOf } from "../../src/project/dockerfile.ts";
import { isUnchanged, withMark } from "../../src/project/mark.ts";

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
      "services:\n  web:\n    command: [run]\n    build: {target: dev}\n    depends_on:\n      cache:\n        condition: service_healthy\n  cache: {image: redis}\n";
    const { services } = readCompose([
      { name: "compose.yaml", text: main },
      { name: "compose.override.yml", text: over },
    ]);
    const web = services.get("web");
    expect([...services.keys()]).toEqual(["web", "db", "cache"]);
    expect(web).toMatchObject({ build: { context: "./web", target: "dev" }, command: ["run"], links: ["db:database"] });
    if (web === undefined) return;
    expect(web?.volumes).toEqual(["./data", "./more"]);
    expect(dependenciesOf(web)).toEqual({
      db: { condition: "service_started" },
      cache: { condition: "service_healthy" },
    });
    const db = services.get("db");
    expect(db === undefined ? [] : variableNamesOf(db)).toEqual(["X", "Y"]);
  });

  test.each([
    ["services: [", /compose\.yml is no YAML that compose reads: .*[^:]$/],
    ["services:\n  web:\n    links: 3\n", /compose\.yml: services\.web\.links is not as compose wants it/],
    ["- a\n", /compose\.yml: .*is not as compose wants it/],
  ])("%j is told by its place", (text, words) => {
    expect(() => readCompose([{ name: "compose.yml", text }])).toThrow(words);
  });

  test("an empty one has no services", () => {
    expect(readCompose([{ name: "compose.yml", text: "" }]).services.size).toBe(0);
  });
});

describe("which service is the app, and which are not needed,", () => {
  const at = (list: string) => (source: string) => list.split(" ").includes(source);
  const plan = (text: string, given?: string) =>
    planServices(readCompose([{ name: "c.yml", text }]), {
      given,
      where: "c.yml",
      isPart: at("./.hex_repo ./.git_repo"),
      isProject: at("."),
    });

  test("who mounts the registry alone is replaced; the app is not, nor who works in the whole project", () => {
    const text =
      "services:\n  db: {image: p}\n  r: {image: n, volumes: ['./.hex_repo:/x']}\n" +
      "  app: {image: e, volumes: ['./.hex_repo:/x'], depends_on: [db, r], links: [r, 'db:d']}\n" +
      "  job: {image: e, volumes: ['.:/app', './.git_repo:/g'], links: ['r:x']}\n";
    expect(plan(text)).toEqual({
      service: "app",
      replaced: ["r"],
      rests: {
        app: { dependencies: { db: { condition: "service_started" } }, links: ["db:d"] },
        job: { links: [] },
      },
    });
  });

  test("who others lean on in other ways stays; a default of compose's is filled in", () => {
    const text =
      "services:\n  r: {image: n, volumes: ['${REPO:-./.hex_repo}:/x']}\n  s: {image: n, volumes: ['$PWD/.hex_repo:/x']}\n" +
      "  app: {image: e, volumes_from: [r]}\n";
    const isPart = (source: string) => /^\.\/\.hex_repo$/.test(source);
    const content = readCompose([{ name: "c.yml", text }]);
    const input = { given: undefined, where: "c.yml", isPart, isProject: () => false };
    expect(planServices(content, input).replaced).toEqual(["s"]);
  });

  test.each([
    ["services:\n  mirror: {image: x}\n", undefined, /a service is called "mirror" already/],
    ["services:\n  web: {image: x}\n", "mirror", /a service is called "mirror" already/],
    [
      "services:\n  app: {image: x, network_mode: host}\n",
      undefined,
      /app has network_mode: host, in which the mirror/,
    ],
    [
      "include: [a.yml]\nservices:\n  a: {image: x}\n  b: {image: y}\n",
      undefined,
      /a, b \(what it includes is not read\)/,
    ],
    ["services: {}\n", undefined, /one of: none found/],
    ["services:\n  web: {image: x}\n", "wep", /has no service "wep"; give --service, one of: web/],
  ])("%j is refused", (text, given, words) => {
    expect(() => plan(text, given)).toThrow(words);
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
    ['FROM elixir\nCMD ["mix", \\\n  # a comment\n  "run"]\n', undefined, ["mix", "run"], "elixir"],
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
    const text = withMark("#!/bin/sh\necho\n");
    expect(isUnchanged(text)).toBe(true);
    expect(isUnchanged(text.replaceAll("\n", "\r\n"))).toBe(true);
    expect(isUnchanged(text.replace("echo", "echo mine"))).toBe(false);
    expect(isUnchanged("#!/bin/sh\necho\n")).toBe(false);
    expect(isUnchanged(`${text}mine\n`)).toBe(false);
  });
});
