import { expect, test } from "vitest";
import { readErlangTerms } from "../../src/hex/erlang-terms.ts";

const one = (source: string) => readErlangTerms(source)[0];

test("reads atoms, numbers, strings, tuples, lists and maps", () => {
  expect(one("{ok, 'quoted atom', -12, 1.5e3, \"text\", [a|[]]}.".replace("|[]", ""))).toEqual({
    type: "tuple",
    items: [
      { type: "atom", name: "ok" },
      { type: "atom", name: "quoted atom" },
      { type: "number", value: -12 },
      { type: "number", value: 1500 },
      { type: "string", text: "text" },
      { type: "list", items: [{ type: "atom", name: "a" }] },
    ],
  });
  expect(one('#{<<"k">> => #{}}.')).toEqual({
    type: "map",
    pairs: [
      [
        { type: "binary", text: "k" },
        { type: "map", pairs: [] },
      ],
    ],
  });
});

test.each([
  ['<<"ascii">>.', "ascii"],
  ['<<"zażółć"/utf8>>.', "zażółć"],
  ["<<84,226,128,147>>.", "T–"],
  ['<<84,"est">>.', "Test"],
  ["<<233>>.", "é"],
  ['<<"a\\"b\\\\c\\n\\x{17c}"/utf8>>.', 'a"b\\c\nż'],
  ["<<>>.", ""],
])("reads the binary %s", (source, text) => {
  expect(one(source)).toEqual({ type: "binary", text });
});

test("skips comments and white space between terms", () => {
  expect(readErlangTerms("% first\n{a,1}.\n\n%% second\n{b,2}.\n")).toHaveLength(2);
});

test.each([
  ["{a, 1}", /line 1: expected "\." before the end/],
  ["{a,\n\n Variable}.", /line 3: unexpected "V"/],
  ['{<<"open', /a quoted text does not end/],
  ["<<300>>.", /neither a string nor a byte/],
  ["#{a = 1}.", /expected "=>"/],
  ["[".repeat(100_000), /nested deeper than 64/],
  ['"\\x{110000}".', /names no character/],
  ["\0.", /unexpected/],
])("refuses %j, naming the line", (source, message) => {
  expect(() => readErlangTerms(source)).toThrow(message);
});
