/** `init`: what it writes, that it writes over nothing, and that what it wrote works. */
import { chmod, cp, mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { mirrorHere } from "../support/here.ts";
import { startServer } from "../support/cli.ts";
import { isInstalled, runClient } from "../support/clients.ts";
import { fixtures, snapshot, temporaryFolder } from "../support/folder.ts";
import { git, gitEnvironment } from "../support/git.ts";
import { mixLock } from "../support/tarballs.ts";

let cwd: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  const sha = "0".repeat(40);
  const entries = [
    `"a": {:git, "https://gitlab.example.org/g/a.git", "${sha}", []}`,
    `"b": {:git, "git@github.com:o/b.git", "${sha}", []}`,
  ];
  await writeFile(join(cwd, "mix.lock"), mixLock([], entries));
});

const init = (...args: string[]) => mirrorHere(["init", ...args], { cwd });
const readOverride = async () => {
  const text = await readFile(join(cwd, "docker-compose.mirror.yml"), "utf8");
  const withTags = { customTags: [overrideTag("seq"), overrideTag("map")] };
  return parse(text, withTags) as { services: Record<string, Record<string, unknown>> };
};
/** Compose's own, which says that what stands here takes the place of what stands in the file below. */
const overrideTag = (collection: "seq" | "map") => ({
  tag: "!override",
  collection,
  resolve: (value: unknown) => value,
});
const written = async () => (await readdir(cwd, { recursive: true })).filter((path) => path !== "mix.lock").sort();

describe("init", () => {
  test("writes a .gitignore and a hook, tells what and what to do next; a second run changes nothing", async () => {
    const { code, stdout } = await init();
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^wrote \.mirror\/\.gitignore\nwrote mirror\/pre-commit\n\nNext:\n/),
    ]);
    expect(await written()).toEqual([".mirror", ".mirror/.gitignore", "mirror", "mirror/pre-commit"]);
    expect((await stat(join(cwd, "mirror/pre-commit"))).mode & 0o111).toBe(0o111);
    await git(cwd, ["init", "-q"]);
    expect(await git(cwd, ["status", "--porcelain", "--untracked-files=all"])).not.toContain(".mirror/");
    const before = await snapshot(cwd);
    expect((await init()).stdout).toBe(".mirror/.gitignore is as it should be\nmirror/pre-commit is as it should be\n");
    expect(await snapshot(cwd)).toEqual(before);
  });

  test("--commit sets the folder up for git, with a step for the CI that is there", async () => {
    await mkdir(join(cwd, ".github"));
    expect((await init("--commit")).code).toBe(0);
    expect(await readFile(join(cwd, ".github/workflows/mirror.yml"), "utf8")).toContain("- run: mirror-server verify");
    await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
    await writeFile(join(cwd, ".mirror/private_key.pem"), "secret");
    await git(cwd, ["init", "-q"]);
    await git(cwd, ["config", "core.autocrlf", "true"]);
    await git(cwd, ["add", ".mirror"]);
    const staged = await git(cwd, ["diff", "--cached", "--name-only"]);
    expect(staged).toContain(".mirror/hex/names");
    expect(staged).not.toContain("private_key");
    // Git has changed no byte, although it was told to change ends of lines.
    await git(cwd, ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "mirror"]);
    await git(cwd, ["clone", "-q", "-c", "core.autocrlf=true", ".", "clone"]);
    for (const file of ["names", "public_key", "tarballs/elm-0.0.1.tar"]) {
      expect(await readFile(join(cwd, "clone/.mirror/hex", file))).toEqual(
        await readFile(join(fixtures, "golden/hex", file)),
      );
    }
  });

  test("--commit gives the lock one name in every clone, and says where that is missing", async () => {
    await init("--commit");
    const name = basename(cwd);
    expect(JSON.parse(await readFile(join(cwd, "mirror.config.json"), "utf8"))).toEqual({ lockName: name });
    await writeFile(join(cwd, "mirror.config.json"), "{}");
    const { stdout } = await init("--commit");
    expect(await readFile(join(cwd, "mirror.config.json"), "utf8")).toBe("{}");
    expect(stdout).toContain(`mind: mirror.config.json has no "lockName"; give "${name}"`);
  });

  test("goes from not committed to committed and back, since what it wrote itself is its own to replace", async () => {
    await init();
    expect((await init("--commit")).stdout).toContain("wrote .mirror/.gitignore");
    // Not by the way, as by `init --compose`: what is synced from then on would silently not be committed.
    const kept = (await init("--compose")).stdout;
    expect(kept).toContain(".mirror/.gitignore is as it should be");
    expect(kept).toContain("mind: the mirror is set up to be committed, and stays so");
    await rm(join(cwd, ".mirror/.gitattributes"));
    expect((await init()).stdout).toContain("wrote .mirror/.gitignore");
    await writeFile(join(cwd, ".mirror/.gitignore"), "mine");
    expect((await init()).stdout).toContain("left .mirror/.gitignore alone");
  });

  test("--compose refuses a service that is not there, and asks which it is, before anything is written", async () => {
    const compose = "services:\n  web:\n    image: x\n  db:\n    image: y\nvolumes:\n  app:\n";
    await writeFile(join(cwd, "docker-compose.yml"), compose);
    for (const [args, words] of [
      [["--service", "app"], 'docker-compose.yml has no service "app"; give --service, one of: web, db'],
      [[], "which service of docker-compose.yml is the app? give --service, one of: web, db"],
    ] as const) {
      const { code, stderr } = await init("--compose", ...args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
    }
    await writeFile(join(cwd, "docker-compose.yml"), "services:\n  - nonsense");
    expect(await init("--compose")).toMatchObject({ code: 2, stderr: expect.stringContaining("docker-compose.yml: ") });
    expect(await written()).toEqual(["docker-compose.yml"]);
  });

  test("--compose takes the only service, with its own entrypoint, and names the files that are there", async () => {
    const compose =
      "services:\n  web:\n    build: .\n    entrypoint: /app/start.sh --now\n    links: ['x:github.com']\n" +
      "    environment:\n      GIT_SSL_NO_VERIFY: '1'\n";
    await writeFile(join(cwd, "compose.yaml"), compose);
    await writeFile(join(cwd, "compose.override.yml"), "services:\n  web:\n    command: mix phx.server\n");
    const { stdout } = await init("--compose");
    expect(stdout).toContain("docker compose -f compose.yaml -f compose.override.yml -f docker-compose.mirror.yml up");
    expect(stdout).toContain("mind: web switches verification off (GIT_SSL_NO_VERIFY)");
    expect(stdout).toContain("mind: compose.yaml links github.com or app_deps to something else (x:github.com)");
    const override = await readOverride();
    expect(override.services["web"]).toMatchObject({
      entrypoint: ["sh", "/mirror-setup/entrypoint.sh", "/app/start.sh", "--now"],
    });
    expect(override.services["web"]).not.toHaveProperty("command");
  });

  test("--compose finds the entrypoint and the command in the Dockerfile; what nobody knows it says", async () => {
    await writeFile(
      join(cwd, "compose.yml"),
      "services:\n  app:\n    build: {context: ., dockerfile: D}\n  db: {image: y}\n",
    );
    await writeFile(join(cwd, "D"), 'FROM elixir:1.17\nENTRYPOINT ["/start"]\nCMD ["iex", "-S", "mix"]\n');
    expect((await init("--compose")).stdout).not.toContain("mind:");
    expect((await readOverride()).services["app"]).toMatchObject({
      entrypoint: ["sh", "/mirror-setup/entrypoint.sh", "/start"],
      command: ["iex", "-S", "mix"],
    });
    await writeFile(join(cwd, "D"), "FROM corp/base\n");
    expect((await init("--compose")).stdout).toMatch(
      /wrote docker-compose\.mirror\.yml\n[^]*mind: corp\/base may have an entrypoint or a command of its own, which is not known here/,
    );
  });

  test("--compose mends what it wrote itself when a mistake is mended, and nothing that somebody changed", async () => {
    await writeFile(join(cwd, "compose.yml"), "services:\n  wep: {image: elixir, command: iex}\n");
    await init("--compose");
    await writeFile(join(cwd, "compose.yml"), "services:\n  web: {image: elixir, command: iex}\n");
    expect((await init("--compose")).stdout).toContain("wrote docker-compose.mirror.yml");
    expect(Object.keys((await readOverride()).services)).toEqual(["mirror", "web"]);
    const file = join(cwd, "docker-compose.mirror.yml");
    await writeFile(file, (await readFile(file, "utf8")).replace("15s", "30s"));
    await writeFile(join(cwd, "compose.yml"), "services:\n  other: {image: elixir, command: iex}\n");
    expect((await init("--compose")).stdout).toContain("left docker-compose.mirror.yml alone");
    expect(await readFile(file, "utf8")).toContain("30s");
  });

  test("beside the older stack it writes what serves that in place, and takes its services out", async () => {
    await cp(join(fixtures, "golden/hex"), join(cwd, ".hex_repo"), { recursive: true });
    await cp(join(fixtures, "golden/private_key.pem"), join(cwd, "private_key.pem"));
    await chmod(join(cwd, "private_key.pem"), 0o644);
    await writeFile(
      join(cwd, "docker-compose.yml"),
      `services:
  db: {image: postgres}
  registry: {image: nginx, volumes: ["./.hex_repo:/usr/share/nginx/html"]}
  app:
    image: elixir
    command: iex
    entrypoint: ./own.sh
    depends_on: [registry, db]
    links: ["registry:app_deps", "db:db"]
  worker: {image: elixir, depends_on: {registry: {condition: service_started}}}
`,
    );
    await writeFile(join(cwd, "own.sh"), "export HEX_NO_VERIFY_REPO_ORIGIN=1\nmix hex.repo add hexpm $HEX_REGISTRY\n");
    const { code, stdout } = await init("--compose");
    expect(code).toBe(0);
    expect(stdout).toContain("mind: own.sh switches verification off (HEX_NO_VERIFY_REPO_ORIGIN)");
    expect(JSON.parse(await readFile(join(cwd, "mirror.config.json"), "utf8"))).toEqual({
      hexDir: ".hex_repo",
      privateKey: "private_key.pem",
    });
    expect(stdout).toContain("mind: registry of docker-compose.yml did what the mirror does");
    expect(stdout).toMatch(/mind: the registry's key private_key\.pem may be read by others: run chmod 600/);
    const { services } = await readOverride();
    expect(services["registry"]).toEqual({ profiles: ["before-the-mirror"] });
    expect(services["app"]).toMatchObject({
      links: ["db:db", "mirror:app_deps", "mirror:github.com", "mirror:gitlab.example.org"],
      depends_on: { mirror: { condition: "service_healthy" }, db: { condition: "service_started" } },
      entrypoint: ["sh", "/mirror-setup/entrypoint.sh", "./own.sh"],
    });
    expect(services["worker"]).toEqual({ depends_on: {} });
    expect(JSON.stringify(services["mirror"])).toContain("./.hex_repo:/mirror/hex");
    // It serves what is there.
    const status = await mirrorHere(["status"], { cwd });
    expect(status.stdout).toContain("Hex: 5 packages, 10 releases");
    const again = await snapshot(cwd);
    await init("--compose");
    expect(await snapshot(cwd)).toEqual(again);
  });

  test("--compose mounts the folders that the configuration names", async () => {
    const config = { hexDir: ".hex_repo", gitDir: ".git_repo", privateKey: "private_key.pem", lockName: "true" };
    await writeFile(join(cwd, "mirror.config.json"), JSON.stringify(config));
    await init("--compose");
    const compose = await readFile(join(cwd, "docker-compose.mirror.yml"), "utf8");
    for (const line of [
      '- "./.mirror:/mirror"',
      '- "./.hex_repo:/mirror/hex"',
      '- "./.git_repo:/mirror/git"',
      '- "./private_key.pem:/mirror/private_key.pem"',
    ]) {
      expect(compose.split(line)).toHaveLength(2);
    }
    expect(compose).toContain('- "./.hex_repo:/mirror-setup/hex:ro"');
    expect(compose).toMatch(
      /MIRROR_LOCK_NAME: "true"\n {6}MIRROR_CONFIG: mirror\.config\.json\n {6}MIRROR_HEX_DIR: \/mirror\/hex\n/,
    );
  });

  test("never writes over what is there", async () => {
    await mkdir(join(cwd, "mirror"));
    await writeFile(join(cwd, "mirror/pre-commit"), "mine");
    const { code, stdout } = await init();
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining("left mirror/pre-commit alone: it is there and says something else"),
    ]);
    expect(await readFile(join(cwd, "mirror/pre-commit"), "utf8")).toBe("mine");
  });

  test("--compose names the hosts of the lock, and the service it was given", async () => {
    const { stdout } = await init("--compose", "--service", "web");
    expect(stdout).toContain("wrote docker-compose.mirror.yml\nwrote mirror/entrypoint.sh\n");
    const compose = await readFile(join(cwd, "docker-compose.mirror.yml"), "utf8");
    expect(compose).toContain('links: ["mirror:app_deps", "mirror:github.com", "mirror:gitlab.example.org"]');
    expect(compose).toMatch(/^ {2}web:$/m);
    expect(compose).not.toMatch(/VERIFY|private_key/);
    expect(stdout).toContain("mind: there is no compose file here");
    const bad = await init("--compose", "--service", "../x");
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining("--service")]);
  });
});

describe("the hook", () => {
  test("refuses a lock that the mirror does not cover", async () => {
    await init();
    await mkdir(join(cwd, "bin"));
    const main = new URL("../../dist/main.js", import.meta.url).pathname;
    // As `npm link` would have it.
    await writeFile(join(cwd, "bin/mirror-server"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`, {
      mode: 0o755,
    });
    const env = { ...gitEnvironment, PATH: `${join(cwd, "bin")}:${process.env["PATH"] ?? ""}` };
    await git(cwd, ["init", "-q"]);
    await runClient("ln", ["-s", "../../mirror/pre-commit", ".git/hooks/pre-commit"], { cwd, env });
    await git(cwd, ["add", "mix.lock"]);
    const refused = await runClient("git", ["commit", "-qm", "x"], { cwd, env });
    expect([refused.code === 0, refused.output]).toEqual([
      false,
      expect.stringContaining("missing https://github.com/o/b"),
    ]);
    await writeFile(join(cwd, "mix.lock"), "%{}\n");
    await git(cwd, ["add", "mix.lock"]);
    expect(await runClient("git", ["commit", "-qm", "x"], { cwd, env })).toMatchObject({ code: 0 });
    // A mirror that is committed has to be in the commit.
    await init("--commit");
    const half = await runClient("git", ["commit", "-qm", "y", "--allow-empty"], { cwd, env });
    expect([half.code, half.output]).toEqual([
      1,
      expect.stringContaining(".mirror has changes that this commit lacks"),
    ]);
    await git(cwd, ["add", "--all"]);
    expect(await runClient("git", ["commit", "-qm", "y"], { cwd, env })).toMatchObject({ code: 0 });
  });
});

test("the hook of a project within a repository looks at that project", async () => {
  const project = join(cwd, "apps/web");
  await mkdir(project, { recursive: true });
  await writeFile(join(project, "mix.lock"), "%{}\n");
  await git(cwd, ["init", "-q"]);
  expect((await mirrorHere(["init", "--commit"], { cwd: project })).code).toBe(0);
  const main = new URL("../../dist/main.js", import.meta.url).pathname;
  await mkdir(join(project, "node_modules/.bin"), { recursive: true });
  await writeFile(
    join(project, "node_modules/.bin/mirror-server"),
    `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`,
    {
      mode: 0o755,
    },
  );
  await writeFile(join(cwd, ".gitignore"), "node_modules\n");
  const env = { ...gitEnvironment };
  await runClient("ln", ["-s", "../../apps/web/mirror/pre-commit", ".git/hooks/pre-commit"], { cwd, env });
  const refused = await runClient("git", ["commit", "-qm", "x", "--allow-empty"], { cwd, env });
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining("apps/web/.mirror has changes")]);
  await git(cwd, ["add", "--all"]);
  const done = await runClient("git", ["commit", "-qm", "x"], { cwd, env });
  expect([done.code, done.output]).toEqual([0, expect.stringContaining("complete and intact: 0 checked for web")]);
});

describe("the entrypoint", () => {
  const run = async (script: string, env: Record<string, string>) => {
    const entry = ["mirror/entrypoint.sh", "sh", "-c", script];
    return runClient("sh", entry, {
      cwd,
      env: { HOME: cwd, ...env, MIRROR_SETUP: join(cwd, "setup"), MIRROR_CLIENT_HOME: join(cwd, "clients") },
    });
  };

  beforeEach(async () => {
    await init("--compose");
    await cp(join(fixtures, "golden/hex"), join(cwd, ".mirror/hex"), { recursive: true });
    await cp(join(fixtures, "golden/private_key.pem"), join(cwd, ".mirror/private_key.pem"));
    await mkdir(join(cwd, "setup"));
  });

  test("goes online without HEX_REGISTRY, and says so", async () => {
    const { code, output } = await run("echo ${HEX_MIRROR-none}", {});
    expect([code, output]).toEqual([0, "none\nmirror: HEX_REGISTRY is not set, so Hex goes online\n"]);
  });

  test("says what is missing while the mirror was not filled", async () => {
    const { code, output } = await run("echo started", { HEX_REGISTRY: "http://app_deps" });
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/public_key is missing; fill and start the mirror first/),
    ]);
  });

  test.skipIf(!isInstalled("rebar3", "--version"))("points rebar3, git and curl at the mirror, verified", async () => {
    const server = await startServer([], { cwd });
    await cp(join(cwd, ".mirror/hex"), join(cwd, "setup/hex"), { recursive: true });
    await cp(join(cwd, "certs/public"), join(cwd, "setup/certs"), { recursive: true });
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{elm, "0.0.1"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const script = `curl -sSf https://localhost:${server.tlsPort}/health >/dev/null && cd app && rebar3 get-deps; ls _build/default/lib`;
    const { output } = await run(script, { HEX_REGISTRY: server.url });
    expect(output).toContain("elm");
    expect(output).not.toMatch(/deprecated|not found|error/i);
  });
});
