/** Dependency policies: an organisation's, as upstream signed them and signed anew; and one of the mirror's own, which Hex enforces. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { readPublicKey } from "../../src/hex/keys.ts";
import { decodePolicy } from "../../src/hex/policies.ts";
import { verifyAndUnwrap } from "../../src/hex/signed.ts";
import type { PolicyText } from "../../src/names/policy-rules.ts";
import { mirrorServer, startServer } from "../support/cli.ts";
import { hexArchives, rebar3ForMix, runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { mirrorHere } from "../support/here.ts";
import { recordOf, startHexUpstream, type HexUpstream } from "../support/hex-upstream.ts";
import { makeTarball, mixLock } from "../support/tarballs.ts";

const alpha1 = makeTarball({ name: "alpha", version: "1.0.0" });
const alpha2 = makeTarball({ name: "alpha", version: "1.1.0" });
const none = { retired: [], deny: [], allow: [], except: [] };
const strict: PolicyText = {
  repository: "acme",
  name: "strict-prod.1",
  description: undefined,
  rules: { hexpm: { ...none, deny: [{ package: "alpha", requirement: "> 1.0.0", reason: "not yet" }] } },
};

let cwd: string;
let hex: HexUpstream;
let key: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  hex = await startHexUpstream([alpha1, alpha2]);
  hex.publishPolicy(strict);
  key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  await writeFile(join(cwd, "mix.lock"), mixLock([alpha1]));
});

const from = () => ["--hex-url", hex.url, "--hex-public-key", key];
const sync = (args: string[] = [], env: Record<string, string> = {}) =>
  mirrorHere(["sync", ...from(), ...args], { cwd, env });
const ref = "hexpm:acme/strict-prod.1";
const fetched = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
};
const ourKey = async () => readPublicKey(await readFile(join(cwd, ".mirror/hex/public_key"), "utf8"), "ours");

describe("an organisation's policy", () => {
  test("is served as upstream signed it, and signed anew, and verify looks at it", async () => {
    const { code, stderr } = await sync(["--policy", ref]);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`added the policy ${ref}`)]);
    // What it shows to anybody is no secret.
    expect(stderr).not.toContain("keeps private");
    const server = await startServer(["--no-tls"], { cwd });
    const ours = await fetched(`${server.url}/repos/acme/policies/strict-prod.1`);
    const upstreams = await fetched(`${server.url}/repo.hex.pm/repos/acme/policies/strict-prod.1`);
    expect([ours.status, upstreams.status]).toEqual([200, 200]);
    expect(upstreams.bytes).toEqual(hex.files.get("/repos/acme/policies/strict-prod.1"));
    const payload = verifyAndUnwrap(ours.bytes, await ourKey());
    expect(payload).toEqual(verifyAndUnwrap(upstreams.bytes, hex.key));
    expect(decodePolicy(payload)).toMatchObject({ repository: "acme", name: "strict-prod.1" });
    const verified = await mirrorHere(["verify", "--policy", ref], { cwd });
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining("2 checked")]);
    // As it lies there, it says what upstream's does.
    await rm(join(cwd, ".mirror/hex/repos/acme/policies/strict-prod.1"));
    const lost = await mirrorHere(["verify", "--policy", ref], { cwd });
    expect([lost.code, lost.stdout]).toEqual([3, expect.stringContaining(`missing the policy ${ref}`)]);
  });

  test.each([
    ["its mix.exs", 'hex: [policy: [org: "acme", name: "strict-prod.1"]]', {}, ""],
    ["the environment", "", { HEX_POLICY: ref }, ""],
    ["Hex's configuration", "", {}, `{policy,<<"${ref}">>}.\n`],
  ])(
    "that a project is held to by %s is fetched with its lock, and kept while the lock is known",
    async (_, hexOptions, env, config) => {
      await writeFile(join(cwd, "mix.exs"), `defmodule A do\n def project, do: [app: :a, ${hexOptions}]\nend\n`);
      await mkdir(join(cwd, ".hex"));
      await writeFile(join(cwd, ".hex/hex.config"), config);
      const { code, stderr } = await sync([], env);
      expect([code, stderr]).toEqual([0, expect.stringContaining(`added the policy ${ref}`)]);
      await rm(join(cwd, "mix.exs"));
      await rm(join(cwd, ".hex/hex.config"));
      const pruned = await mirrorHere(["prune", "--dry-run"], { cwd });
      expect(pruned.stdout).toContain("would remove 0");
      const again = await mirrorHere(["sync", ...from(), "--if-changed"], { cwd });
      expect(again.code).toBe(0);
      // The project is held to none any more.
      expect((await mirrorHere(["prune"], { cwd })).stdout).toContain(`removed the policy ${ref}`);
    },
  );

  test("that upstream lacks, or another's in its place, fails the sync by name, and what is held stays", async () => {
    expect((await sync(["--policy", ref])).code).toBe(0);
    const before = await readFile(join(cwd, ".mirror/hex/repos/acme/policies/strict-prod.1"));
    hex.publishPolicy({ ...strict, name: "lax" });
    hex.files.set("/repos/acme/policies/strict-prod.1", hex.files.get("/repos/acme/policies/lax") ?? Buffer.alloc(0));
    const swapped = await sync(["--policy", ref]);
    expect([swapped.code, swapped.stderr]).toEqual([
      1,
      expect.stringMatching(/failed the policy hexpm:acme\/strict-prod\.1.*signed as policy "lax" of "acme"/),
    ]);
    hex.files.delete("/repos/acme/policies/strict-prod.1");
    expect((await sync(["--policy", ref])).code).toBe(1);
    expect(await readFile(join(cwd, ".mirror/hex/repos/acme/policies/strict-prod.1"))).toEqual(before);
  });

  test("that is private is fetched with the organisation's token", async () => {
    hex.publishPolicy(strict, "s3cret");
    expect((await sync(["--policy", ref])).stderr).toContain("give MIRROR_TOKEN_ACME, or log in with Hex");
    const { code, stderr } = await sync(["--policy", ref], { MIRROR_TOKEN_ACME: "s3cret" });
    expect([code, stderr]).toEqual([0, expect.stringContaining("what hexpm:acme keeps private")]);
  });

  test("that changed is told, and taken", async () => {
    await sync(["--policy", ref]);
    hex.publishPolicy({ ...strict, rules: {} });
    const { code, stderr } = await sync(["--policy", ref]);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`the policy ${ref} says something else than before`)]);
    expect((await sync(["--policy", ref])).stderr).not.toContain("something else");
  });

  test("is fetched when a client asks a mirror that pulls, by both faces, and served when upstream is away", async () => {
    const server = await startServer(["--no-tls", "--pull", ...from()], { cwd, env: { MIRROR_OFFLINE: "false" } });
    const ours = await fetched(`${server.url}/repos/acme/policies/strict-prod.1`);
    expect(decodePolicy(verifyAndUnwrap(ours.bytes, await ourKey())).name).toBe("strict-prod.1");
    const upstreams = await fetched(`${server.url}/repo.hex.pm/repos/acme/policies/strict-prod.1`);
    expect(upstreams.bytes).toEqual(hex.files.get("/repos/acme/policies/strict-prod.1"));
    expect((await fetched(`${server.url}/repos/acme/policies/none`)).status).toBe(404);
    expect((await fetched(`${server.url}/repos/local/policies/none`)).status).toBe(404);
    expect(hex.log.filter((line) => line.includes("/repos/local/"))).toEqual([]);
    await server.stop();
    const offline = await startServer(["--no-tls", "--offline", ...from()], { cwd });
    expect((await fetched(`${offline.url}/repos/acme/policies/strict-prod.1`)).bytes).toEqual(ours.bytes);
  });
});

test("a private policy is not fetched for whoever asks with the login of who serves", async () => {
  hex.publishPolicy(strict, "s3cret");
  await mkdir(join(cwd, ".hex"));
  const repos = `<<"hexpm">> => #{url => <<"${hex.url}">>},<<"hexpm:acme">> => #{auth_key => <<"s3cret">>}`;
  await writeFile(join(cwd, ".hex/hex.config"), `{'$repos',#{${repos}}}.\n`);
  const server = await startServer(["--no-tls", "--pull", ...from()], {
    cwd,
    env: { MIRROR_OFFLINE: "false", MIRROR_TOKEN_ACME: "s3cret" },
  });
  for (const face of ["", "/repo.hex.pm"]) {
    const { status, bytes } = await fetched(`${server.url}${face}/repos/acme/policies/strict-prod.1`);
    expect([status, bytes.toString()]).toEqual([403, expect.stringContaining("wants a token")]);
  }
  expect(hex.authorizations.get("/repos/acme/policies/strict-prod.1")).toBeUndefined();
});

describe("a policy of the mirror's own", () => {
  const write = async (policy: object, more: object = {}) =>
    writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ policy, ...more }));

  test("is signed by sync, build and serve, follows the configuration, and a new key", async () => {
    await write({ cooldown: "7d" });
    const { code, stderr } = await sync();
    expect([code, stderr]).toEqual([0, expect.stringContaining("added the policy local/team")]);
    const file = join(cwd, ".mirror/hex/repos/local/policies/team");
    const cooldown = async () =>
      decodePolicy(verifyAndUnwrap(await readFile(file), await ourKey())).repositories[0]?.restriction?.cooldown;
    expect(await cooldown()).toBe("7d");
    await write({ cooldown: "8d" });
    expect((await mirrorHere(["verify"], { cwd })).stdout).toContain("it says what the configuration said before");
    expect((await mirrorHere(["build"], { cwd })).code).toBe(0);
    expect(await cooldown()).toBe("8d");
    await write({ cooldown: "9d" });
    await (await startServer(["--no-tls"], { cwd })).stop();
    expect(await cooldown()).toBe("9d");
    await rm(join(cwd, ".mirror/private_key.pem"));
    await rm(join(cwd, "mirror.config.json"));
    expect((await mirrorHere(["build", "--new-key"], { cwd })).code).toBe(0);
    expect(await cooldown()).toBe("9d");
    // The configuration has none any more.
    expect((await mirrorHere(["prune"], { cwd })).stdout).toContain("removed the policy local/team");
  });

  test("cannot be named where it is not checked by the mirror's key", async () => {
    await write({ cooldown: "7d" });
    await sync();
    const { code, stderr } = await mirrorHere(["env", "--format", "container", "--policy", "team"], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining("the policy local/team is signed by the mirror")]);
  });

  test("is part of what init writes for compose", async () => {
    await write({ cooldown: "7d" }, { usePolicy: "team" });
    await sync();
    await writeFile(join(cwd, "docker-compose.yml"), "services:\n  app:\n    image: elixir\n    command: mix test\n");
    expect((await mirrorHere(["init", "--compose"], { cwd })).code).toBe(0);
    const written = await readFile(join(cwd, "docker-compose.mirror.yml"), "utf8");
    expect(written).toContain('MIRROR_REPOSITORIES: "local"');
    expect(written).toContain('HEX_POLICY: "local/team"');
  });
});

const archives = hexArchives();

// Policies came with Hex 2.5; before it they are passed over.
describe.skipIf(archives === undefined)("Hex", { timeout: 120_000 }, () => {
  const exec = async (args: string[]) =>
    mirrorServer(["exec", ...from(), ...args], {
      cwd,
      env: { MIX_ARCHIVES: archives ?? "", MIX_HOME: join(cwd, "mix"), LANG: "C.UTF-8", ...rebar3ForMix() },
    });
  const knowsPolicies = async () => (await exec(["--", "mix", "help", "hex.policy"])).code === 0;

  beforeEach(async () => {
    const soon = { seconds: BigInt(Math.floor(Date.now() / 1000) - 3600), nanos: 0 };
    const releases = {
      "1.0.0": { publishedAt: { seconds: 1_600_000_000n, nanos: 0 } },
      "1.1.0": { publishedAt: soon },
    };
    hex.publish([alpha1, alpha2], { upstream: new Map([["alpha", recordOf([alpha1, alpha2], { releases })]]) });
    await rm(join(cwd, "mix.lock"));
    await writeFile(
      join(cwd, "mix.exs"),
      'defmodule App.MixProject do\n use Mix.Project\n def project, do: [app: :app, version: "0.1.0", deps: [{:alpha, "~> 1.0"}]]\nend\n',
    );
    await sync(["--package", "alpha@1.0.0", "--package", "alpha@1.1.0", "--policy", ref]);
  });

  test.for([
    ["without a policy", {}, [], "alpha 1.1.0", ""],
    ["cooldown", { cooldown: "7d" }, ["--policy", "team"], "alpha 1.0.0", "cooldown 7d"],
    [
      "deny",
      { deny: [{ package: "alpha", requirement: "~> 1.1", reason: "r" }] },
      ["--policy", "team"],
      "alpha 1.0.0",
      "override deny",
    ],
    ["an organisation's", {}, ["--policy", ref], "alpha 1.0.0", "override deny"],
  ] as const)("is held to %s, with verification on", async ([, policy, args, chosen, why], { skip }) => {
    if (!(await knowsPolicies())) skip("this Hex knows no policies");
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify({ policy }));
    const { code, stdout, stderr } = await exec([...args, "--", "mix", "deps.get"]);
    expect([code, stdout + stderr]).toEqual([0, expect.stringContaining(chosen)]);
    expect(stdout).toContain(why);
    if (args.length === 0) return;
    const shown = await exec([...args, "--", "mix", "hex.policy", "show"]);
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("Active policy: ")]);
    const reasons = await exec([...args, "--", "mix", "hex.policy", "why", "alpha"]);
    expect(reasons.stdout).toMatch(/1\.0\.0\s+ALLOWED[^]*1\.1\.0\s+BLOCKED/);
  });

  test("is told of a policy by the mirror what upstream tells", async ({ skip }) => {
    if (!(await knowsPolicies())) skip("this Hex knows no policies");
    const env = {
      HOME: cwd,
      HEX_HOME: join(cwd, "upstream_home"),
      MIX_HOME: join(cwd, "mix"),
      MIX_ARCHIVES: archives ?? "",
      HEX_MIRROR: hex.url,
      HEX_POLICY: ref,
    };
    const mix = async (...args: string[]) => (await runClient("mix", args, { cwd, env })).output;
    await mix("hex.repo", "set", "hexpm", "--public-key", key);
    for (const args of [
      ["hex.policy", "show"],
      ["hex.policy", "why", "alpha"],
    ]) {
      const ours = await exec(["--policy", ref, "--", "mix", ...args]);
      expect(ours.stdout).toContain("alpha");
      // Around it Hex says that it finds no list of its own versions there.
      expect(await mix(...args)).toContain(ours.stdout.trim());
    }
  });

  test("brings nothing where its policy is not here, and the mirror names it", async ({ skip }) => {
    if (!(await knowsPolicies())) skip("this Hex knows no policies");
    const { code, stderr } = await exec(["--policy", "other", "--", "mix", "deps.get"]);
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining("the mirror lacks the policy local/other")]);
  });
});

test("what is served of a policy is what is signed, byte for byte, and unpacks", async () => {
  await sync(["--policy", ref]);
  const server = await startServer(["--no-tls"], { cwd });
  const response = await fetch(`${server.url}/repos/acme/policies/strict-prod.1`);
  const bytes = Buffer.from(await response.arrayBuffer());
  // Two views of it may follow each other within a second.
  expect([response.headers.get("last-modified"), response.headers.get("content-type")]).toEqual([
    null,
    "application/octet-stream",
  ]);
  expect(response.headers.get("etag")).toMatch(/^"/);
  expect(bytes).toEqual(await readFile(join(cwd, ".mirror/hex/repos/acme/policies/strict-prod.1")));
  expect(gunzipSync(bytes).length).toBeGreaterThan(0);
});
