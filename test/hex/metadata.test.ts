import { expect, test } from "vitest";
import { readMetadata } from "../../src/hex/metadata.ts";

const head = '{<<"name">>,<<"pkg">>}.\n{<<"version">>,<<"1.0.0">>}.\n';
const expected = [
  { package: "alpha", app: "alpha_app", requirement: "~> 1.0", optional: true, repository: "hexpm" },
  { package: "beta", app: "beta", requirement: ">= 0.0.0", optional: false, repository: undefined },
];

test.each([
  [
    "pairs of name and proplist",
    `{<<"requirements">>,[{<<"beta">>,[{<<"requirement">>,nil}]},
      {<<"alpha">>,[{<<"app">>,<<"alpha_app">>},{<<"optional">>,true},{<<"repository">>,<<"hexpm">>},{<<"requirement">>,<<"~> 1.0">>}]}]}.`,
  ],
  [
    "proplists that hold their name",
    `{<<"requirements">>,[[{<<"name">>,<<"beta">>},{<<"app">>,<<"beta">>}],
      [{<<"name">>,<<"alpha">>},{<<"app">>,<<"alpha_app">>},{<<"optional">>,true},{<<"repository">>,<<"hexpm">>},{<<"requirement">>,<<"~> 1.0">>}]]}.`,
  ],
  [
    "maps, as rebar3 writes them",
    `{<<"requirements">>,#{<<"beta">> => #{<<"app">> => <<"beta">>},
      <<"alpha">> => #{<<"app">> => <<"alpha_app">>,<<"optional">> => true,<<"repository">> => <<"hexpm">>,<<"requirement">> => <<"~> 1.0">>}}}.`,
  ],
])("reads requirements written as %s, sorted by package", (_, requirements) => {
  expect(readMetadata(head + requirements)).toMatchObject({
    name: "pkg",
    version: "1.0.0",
    app: "pkg",
    requirements: expected,
  });
});

test("reads no requirements from an empty map and from none at all", () => {
  expect(readMetadata(`${head}{<<"requirements">>,#{}}.`).requirements).toEqual([]);
  expect(readMetadata(head).requirements).toEqual([]);
});

test.each([
  ['{<<"version">>,<<"1.0.0">>}.', /"name" is missing/],
  ['{<<"name">>,<<"../../etc">>}.\n{<<"version">>,<<"1.0.0">>}.', /is no package name/],
  ['{<<"name">>,<<"pkg">>}.\n{<<"version">>,<<"1.0.0/..">>}.', /is no version/],
  [`${head}{<<"requirements">>,[{<<"../x">>,[]}]}.`, /is no package name/],
  [`${head}{<<"requirements">>,none}.`, /neither a list nor a map/],
  ["just_an_atom.", /no pair of key and value/],
])("refuses %j", (source, message) => {
  expect(() => readMetadata(source)).toThrow(message);
});
