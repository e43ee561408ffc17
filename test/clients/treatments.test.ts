/** The table of the user's settings: what the guide shows, what `doctor` finds, and what is done with Hex's and rebar3's files. */
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { findSettings } from "../../src/clients/found-settings.ts";
import { hexConfig, readHexTerms } from "../../src/clients/hex-file.ts";
import { readRebarTerms, rebarConfig } from "../../src/clients/rebar-file.ts";
import { described, neutralisedVariables, treatmentOf } from "../../src/clients/treatments.ts";
import { parseList } from "../../src/git/users-settings.ts";
import { verificationSwitches } from "../../src/verification.ts";
import { between, table } from "../support/documentation.ts";

const guide = new URL("../../docs/guides/settings.md", import.meta.url);
const places = {
  environment: "environment",
  git: "git's configuration",
  "hex.config": "`hex.config`",
  "rebar.config": "`rebar.config`",
};
const words = { keep: "kept", neutralise: "neutralised", tell: "told" };

test("the guide shows the table", async () => {
  const rows = described.map(({ client, in: place, names, treatment, effect }) => [
    client === "all" ? "all" : client,
    names.map((name) => `\`${name}\``).join(", "),
    places[place],
    words[treatment],
    effect,
  ]);
  const content = table(["client", "setting", "where", "in `exec`", "why: they, or it, …"], rows);
  const before = await readFile(guide, "utf8");
  await expect(between(before, "settings", content)).toMatchFileSnapshot(guide.pathname);
});

test("no name stands twice in one place, and every switch against verification is taken out", () => {
  const all = described.flatMap(({ in: place, names }) => names.map((name) => `${place} ${name.toLowerCase()}`));
  const twice = all.filter(
    (name, index) => all.indexOf(name) !== index && !/^environment (?:http|https|all|no)_proxy$/.test(name),
  );
  expect(twice).toEqual([]);
  expect(verificationSwitches.filter((name) => !neutralisedVariables.includes(name))).toEqual([]);
});

test.each([
  ["git", "URL.git@github.com:.InsteadOf", "neutralise"],
  ["git", "http.https://x/.proxy", "neutralise"],
  ["git", "http.proxy", "neutralise"],
  ["git", "user.name", undefined],
  ["hex.config", "$write_key", "neutralise"],
  ["hex.config", "api_key", "neutralise"],
  ["hex.config", "cooldown_exclude_repos", "keep"],
  ["environment", "HEX_COOLDOWN", "keep"],
  ["environment", "HEX_MIRROR", "neutralise"],
] as const)("%s %s: %s", (place, name, treatment) => {
  expect(treatmentOf(place, name)?.treatment).toBe(treatment);
});

const mirror = { url: "http://127.0.0.1:1", publicKey: "KEY\n", repositories: ["hexpm"], token: undefined };

describe("Hex's file", () => {
  const source = `{cooldown,<<"7d">>}.
{policy, <<"hexpm:acme/strict">>}.
{'$repos',#{<<"acme">> => #{url => <<"http://x">>},<<"hexpm">> => #{url => <<"http://y">>},<<"hexpm:o">> => #{}}}.
{'$write_key',<<"s3cret">>}.
{api_key, <<"s3cret">>}. {offline,true}.
{unsafe_registry,true}.
{mirror_url,<<"http://z">>}.
{http_proxy,<<"http://me:s3cret@p">>}.
{http_timeout,30}.
`;

  test("keeps what protects, to the letter, and nothing that leads past the mirror", () => {
    const terms = readHexTerms(source);
    expect(terms).toMatchObject({ repositories: ["acme"], switches: ["unsafe_registry"], isUnread: false });
    const repos = `{'$repos',#{<<"hexpm">> => #{url => <<"https://repo.hex.pm">>,public_key => <<"KEY\n">>}}}.`;
    expect(hexConfig(mirror, terms, false)).toBe(
      `{cooldown,<<"7d">>}.\n{policy, <<"hexpm:acme/strict">>}.\n{http_timeout,30}.\n${repos}\n`,
    );
  });

  test("that cannot be read counts for nothing", () => {
    const terms = readHexTerms('[api_key: "old format"]');
    expect([terms.isUnread, terms.kept]).toEqual([true, []]);
  });
});

describe("rebar3's file", () => {
  test("stays as it is, but for plugins, and the API is the mirror's", () => {
    const own =
      '{plugins, [rebar3_hex, {other, "1.0"}]}.\n{http_proxy, "http://p"}.\n{profiles, []}.\n{offline, true}.\n';
    const terms = readRebarTerms(own);
    expect(terms).toMatchObject({
      plugins: ["rebar3_hex", "other"],
      names: ["plugins", "http_proxy", "profiles", "offline"],
    });
    const text = rebarConfig(mirror, terms);
    expect(text).toContain(own);
    expect(text).toMatch(
      /\{plugins, \[\]\}\.\n\{offline, false\}\.\n\{hex, .*api_url => <<"http:\/\/127\.0\.0\.1:1\/api">>/,
    );
  });

  test("with what is no literal is kept as well, and plugins in it are found", () => {
    const terms = readRebarTerms("{plugins, [x]}.\n{a, fun() -> ok end}.\n");
    expect(terms.plugins).toEqual(["those of your rebar.config"]);
    expect(readRebarTerms("{a, fun() -> ok end}.").plugins).toEqual([]);
  });
});

test("what is found is told by name alone, without what it is set to", () => {
  const list =
    "global\0file:/h\0url.https://me:s3cret@github.com/.insteadof\nhttps://github.com/\0global\0file:/h\0user.name\nx\0";
  const found = findSettings({
    environment: { HEX_API_KEY: "s3cret", HTTP_PROXY: "http://me:s3cret@p", PATH: "/" },
    git: parseList(list, "/"),
    hex: readHexTerms('{api_key,<<"s3cret">>}.'),
    rebar: readRebarTerms(""),
  });
  expect(JSON.stringify(found)).not.toContain("s3cret");
  expect(found.map(({ names }) => names)).toEqual([["url.….insteadof"], ["HTTP_PROXY"], ["HEX_API_KEY"], ["api_key"]]);
});
