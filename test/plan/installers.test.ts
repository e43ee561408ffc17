import { describe, expect, test } from "vitest";
import { installerLists, wantedInstallers } from "../../src/plan/installers.ts";

const hash = (text: string) => Buffer.from(text).toString("hex").padEnd(128, "0");
const listNamed = (name: string) => {
  const list = installerLists.find((candidate) => candidate.name === name);
  if (list === undefined) throw new Error(name);
  return list;
};
const paths = (csv: string, name: string, ...targets: [string, string?][]) =>
  wantedInstallers(
    csv,
    listNamed(name),
    targets.map(([elixir, otp]) => ({ elixir, otp })),
  ).map(({ path }) => path);

const old = `0.9.0,${hash("a")},1.0.0
2.0.0,${hash("b")},1.12.0
2.0.0,${hash("c")},1.14.0
2.1.0,${hash("d")},1.14.0
2.1.0,${hash("e")},1.16.0
`;
const recent = `2.2.1,${hash("f")},1.17.0,25
2.2.1,${hash("g")},1.18.0,26
2.2.1,${hash("h")},1.18.0,27
`;

describe("Elixir up to 1.18.3 takes the last line that it is new enough for, whatever its OTP", () => {
  test.each([
    ["1.12.3", ["1.12.0/hex-2.0.0.ez"]],
    ["1.13.4", ["1.12.0/hex-2.0.0.ez"]],
    ["1.14.0", ["1.14.0/hex-2.1.0.ez"]],
    ["1.17.3", ["1.16.0/hex-2.1.0.ez"]],
    ["1.18.3", ["1.16.0/hex-2.1.0.ez"]],
    ["1.18.4", []],
  ])("%s", (elixir, expected) => {
    expect(paths(old, "hex-1.x.csv", [elixir, "27"])).toEqual(expected);
  });
});

describe("Elixir from 1.18.4 on takes the last line that its Elixir and its OTP are new enough for", () => {
  test.each([
    ["1.18.4", "27", ["1.18.0/hex-2.2.1-otp-27.ez"]],
    ["1.18.4", "28", ["1.18.0/hex-2.2.1-otp-27.ez"]],
    ["1.18.4", "26", ["1.18.0/hex-2.2.1-otp-26.ez"]],
    ["1.19.1", "25", ["1.17.0/hex-2.2.1-otp-25.ez"]],
    ["1.17.3", "27", []],
  ])("%s on OTP %s", (elixir, otp, expected) => {
    expect(paths(recent, "hex.csv", [elixir, otp])).toEqual(expected);
  });

  test("without an OTP release, what any of them takes", () => {
    expect(paths(recent, "hex.csv", ["1.19.0"]).sort()).toEqual([
      "1.17.0/hex-2.2.1-otp-25.ez",
      "1.18.0/hex-2.2.1-otp-26.ez",
      "1.18.0/hex-2.2.1-otp-27.ez",
    ]);
  });
});

test("a minor version stands for all of its patch releases", () => {
  const csv = `3.20.0,${hash("a")},1.17.0\n3.21.0,${hash("b")},1.17.2\n`;
  expect(paths(csv, "rebar3-1.x.csv", ["1.17"])).toEqual(["1.17.0/rebar3-3.20.0", "1.17.2/rebar3-3.21.0"]);
});

test("without targets, what every Elixir from 1.12 on takes, and nothing older", () => {
  expect(paths(old, "hex-1.x.csv").sort()).toEqual([
    "1.12.0/hex-2.0.0.ez",
    "1.14.0/hex-2.1.0.ez",
    "1.16.0/hex-2.1.0.ez",
  ]);
});

test("lines that are not of this form are passed over, and nothing of them becomes a path", () => {
  const csv = `\nversion,sha512,elixir\n2.0.0,${hash("a")},../../x\n../x,${hash("b")},1.14.0\n2.0.0,short,1.14.0\n`;
  expect(paths(csv, "hex-1.x.csv")).toEqual([]);
});

test("what any Elixir at all would choose is what nobody may remove: the rest is old", () => {
  const csv = `1.0.0,${hash("a")},1.4.0\n1.1.0,${hash("b")},1.4.0\n2.0.0,${hash("c")},1.14.0\n2.1.0,${hash("d")},1.14.0\n`;
  const chosen = wantedInstallers(csv, listNamed("hex-1.x.csv"), "any").map(({ path }) => path);
  expect(chosen.toSorted()).toEqual(["1.14.0/hex-2.1.0.ez", "1.4.0/hex-1.1.0.ez"]);
});
