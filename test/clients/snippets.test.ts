/** What the page gives to copy, where upstream's records are signed by the key that clients bring along. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { clientSnippets, type SnippetSetup } from "../../src/clients/snippets.ts";

const url = "https://mirror.test:8443";
const setup: SnippetSetup = {
  url,
  gitHosts: ["github.com"],
  hasUpstream: true,
  publicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
  isGuarded: false,
  hasAuthority: true,
};
const textOf = (id: string, of: SnippetSetup = setup) => clientSnippets(of).find((each) => each.id === id)?.text ?? "";

test("every kind of client has one, and each says the same", () => {
  const ids = clientSnippets(setup).map(({ id }) => id);
  expect(ids).toEqual(
    "command sh fish powershell dockerfile compose github gitlab rebar3 hex git rebar-config".split(" "),
  );
  const script = `${textOf("sh")}\nprintf '%s %s' "$HEX_MIRROR" "$GIT_SSL_CAINFO"`;
  const said = execFileSync("sh", ["-c", script], { encoding: "utf8" });
  expect(said).toBe(`${url}/repo.hex.pm /tmp/mirror-ca.pem`);
  for (const id of ["compose", "github", "gitlab"]) {
    const [variables] = Object.values(parse(textOf(id)) as Record<string, Record<string, string>>);
    expect([id, variables?.["HEX_MIRROR"], variables?.["GIT_CONFIG_KEY_0"]]).toEqual([
      id,
      `${url}/repo.hex.pm`,
      `url.${url}/github.com/.insteadOf`,
    ]);
  }
  expect(textOf("dockerfile")).toContain(`HEX_MIRROR="${url}/repo.hex.pm" \\\n`);
});

test("nothing is told that could not work: without hex.pm's signatures, and where a token guards", () => {
  const without = clientSnippets({ ...setup, hasUpstream: false }).map(({ id }) => id);
  expect(without).toEqual(["command", "hex", "git", "rebar-config"]);
  expect(textOf("command", { ...setup, isGuarded: true })).toContain("--require-token token.txt");
  expect(textOf("hex", { ...setup, isGuarded: true })).toContain("password YOUR_TOKEN");
});

test("no verification is turned off", () => {
  const all = clientSnippets(setup)
    .map(({ text }) => text)
    .join("\n");
  expect(all).not.toMatch(/curl [^\n]*-\w*k\b|sslVerify|UNSAFE_HTTPS|UNSAFE_REGISTRY|--insecure/);
});
