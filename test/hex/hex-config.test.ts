import { expect, test } from "vitest";
import { readHexConfigToken } from "../../src/hex/hex-config.ts";

const now = 1_795_374_784;
const config = `
{'$oauth_token',#{access_token => <<"login">>,expires_at => ${now + 3600},refresh_token => <<"r">>}}.
{'$repos',#{
  <<"hexpm">> => #{url => <<"https://repo.hex.pm">>},
  <<"hexpm:acme">> => #{auth_key => <<"acme-key">>,auth_key_owner => organization},
  <<"hexpm:fresh">> => #{auth_key => <<"k">>,oauth_token => #{access_token => <<"fresh">>,expires_at => ${now + 3600}}},
  <<"hexpm:stale">> => #{auth_key => <<"k">>,oauth_token => #{access_token => <<"old">>,expires_at => ${now + 60}}},
  <<"other">> => #{url => <<"https://other.example">>,public_key => <<"-----BEGIN…\\n">>,auth_key => <<"other-key">>}}}.
`;
const urls: Record<string, string> = { other: "https://other.example", unlisted: "https://unlisted.example" };
const token = (repository: string, source = config, url = urls[repository] ?? "https://repo.hex.pm/repos/x") =>
  readHexConfigToken(source, "hex.config", { repository, url, now });

test.each([
  ["hexpm:acme", "acme-key"],
  ["hexpm:fresh", "Bearer fresh"],
  ["hexpm:stale", "k"],
  ["other", "other-key"],
  // What the user logged in with opens their organisations, and nothing else.
  ["hexpm:unlisted", "Bearer login"],
  ["unlisted", undefined],
])("%s → %s", (repository, expected) => {
  expect(token(repository)).toBe(expected);
});

test.each([
  ["hexpm:acme", "http://127.0.0.1:8000/repos/acme"],
  ["hexpm:unlisted", "https://repo.hex.pm.evil.example/repos/x"],
  ["other", "http://other.example"],
])("%s is not told to %s, which is another server than the file knows", (repository, url) => {
  expect(token(repository, config, url)).toBeUndefined();
});

test("older files, with lists instead of maps", () => {
  expect(token("hexpm:acme", `{'$repos',[{<<"hexpm:acme">>,[{auth_key,<<"k">>}]}]}.`)).toBe("k");
});

test("a file without repositories has no token", () => {
  expect(token("hexpm:acme", "")).toBeUndefined();
});

test("a damaged file is told without showing what it holds", () => {
  const damaged = `{'$repos',#{<<"hexpm:acme">> => #{auth_key => <<"secret">> secret2`;
  expect(() => token("hexpm:acme", damaged)).toThrow(/^cannot read Hex's configuration/);
  expect(() => token("hexpm:acme", damaged)).not.toThrow(/secret/);
});
