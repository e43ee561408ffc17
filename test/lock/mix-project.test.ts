import { expect, test } from "vitest";
import { readProjectPolicy } from "../../src/lock/mix-project.ts";

const project = (hex: string) => `defmodule App.MixProject do
  use Mix.Project
  # hex: [policy: [org: "commented", name: "out"]]
  def project do
    [app: :app, version: "0.1.0", ${hex}]
  end
end`;

test.each([
  ['hex: [policy: [org: "acme", name: "strict-prod"]]', { repository: "hexpm:acme", name: "strict-prod" }],
  [
    'hex: [\n  policy: [\n    name: "strict",\n    repo: "corp"\n  ],\n  cooldown: "7d"\n]',
    { repository: "corp", name: "strict" },
  ],
  ['hex: [policy: "hexpm:acme/strict"]', { repository: "hexpm:acme", name: "strict" }],
  ["hex: [api_url: nil]", undefined],
  ["deps: deps()", undefined],
  ['hex: [policy: [org: "acme"]]', undefined],
  ['hex: [policy: [org: "a", repo: "b", name: "both"]]', undefined],
  ['hex: [policy: [repo: "hexpm", name: "global"]]', undefined],
  ['hex: [policy: [org: "../..", name: "strict"]]', undefined],
  ['hex: [policy: [org: "acme", name: "../../strict"]]', undefined],
  // What is computed is not evaluated.
  ['hex: [policy: [org: org(), name: "strict"]]', undefined],
  ['policy: [org: "acme", name: "of-something-else"]', undefined],
  ['deps: [{:one, "~> 1.0", hex: :other}], checker: [policy: "acme/of-a-checker"]', undefined],
  ['hex: [cooldown: "7d"], checker: [policy: "acme/of-a-checker"]', undefined],
  ['hex: [checker: [policy: "acme/of-a-checker"], policy: "acme/strict"]', { repository: "acme", name: "strict" }],
  ['hex: [ # [sic]\n  policy: "acme/strict"\n]', { repository: "acme", name: "strict" }],
  ['hex: [ # of "acme"\n  policy: "acme/strict" # "not" this\n]', { repository: "acme", name: "strict" }],
  ['description: "a \\" # b", hex: [policy: "acme/strict"]', { repository: "acme", name: "strict" }],
  ['description: "a # b", hex: [policy: "acme/strict"]', { repository: "acme", name: "strict" }],
  ['hex: hex()]\n  end\n  defp hex do\n    [policy: "acme/strict"', { repository: "acme", name: "strict" }],
])("%j names %j", (hex, policy) => {
  expect(readProjectPolicy(project(hex))).toEqual(policy);
});
