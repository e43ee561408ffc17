/** `exec` and `env`: real clients, unmodified, in a home that stays as it was. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { mirrorServer, startServer } from "../support/cli.ts";
import { hexArchives, isInstalled, rebar3ForMix, runClient } from "../support/clients.ts";
import { snapshot, temporaryFolder } from "../support/folder.ts";
import { git, gitEnvironment, makeRepository, redirectGit, startGitUpstream } from "../support/git.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { listenOnLoopback } from "../support/loopback.ts";
import { alpha, lockEntry, makeTarball, mixLock } from "../support/tarballs.ts";

const beta = makeTarball({ name: "beta", version: "2.1.0", requirements: [{ name: "alpha", requirement: "~> 1.0" }] });
const main = new URL("../../dist/main.js", import.meta.url).pathname;
const hasMix = isInstalled("mix", "--version");
const archives = hasMix ? hexArchives() : undefined;

let cwd: string;
let home: string;
let revision: string;

beforeEach(async () => {
  cwd = await temporaryFolder();
  home = join(cwd, "home");
  await mkdir(join(home, ".hex/packages/hexpm"), { recursive: true });
  await mkdir(join(home, ".hex/docs"), { recursive: true });
  await writeFile(join(home, ".hex/hex.config"), "{'$write_key',<<\"the user's own token\">>}.\n");
  await writeFile(join(home, ".gitconfig"), "[user]\n\tname = Somebody\n");
  revision = await makeRepository(join(cwd, "upstream/owner/repo.git"), {
    "README.md": "hello\n",
    "rebar.config": "{erl_opts, []}.\n",
    "src/repo.app.src": '{application, repo, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
  });
  const hex = await startHexUpstream([alpha, beta]);
  const upstream = await startGitUpstream(join(cwd, "upstream"));
  const key = await hex.writePublicKey(join(cwd, "upstream.pem"));
  const dependencies = '{:alpha, "~> 1.0", [hex: :alpha, repo: "hexpm", optional: false]}';
  await writeFile(
    join(cwd, "mix.lock"),
    mixLock(
      [alpha],
      [lockEntry(beta, dependencies), `"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`],
    ),
  );
  const env = redirectGit({ "https://github.com/": `${upstream.url}/` });
  expect(await mirrorServer(["sync", "--hex-url", hex.url, "--hex-public-key", key], { cwd, env })).toMatchObject({
    code: 0,
  });
});

const cache = () => ["--cache-dir", join(cwd, "cache")];
const exec = (args: string[], env: Record<string, string> = {}) =>
  mirrorServer(["exec", ...cache(), ...args], { cwd, env: { HOME: home, ...env } });

describe("exec", () => {
  test("gives the command's own output and exit code, and starts a mirror where none runs", async () => {
    const script = 'curl -sS "$HEX_MIRROR/health"; exit 7';
    const { code, stdout, stderr } = await exec(["--port", "9", "--", "sh", "-c", script]);
    // One line tells what is used, with fingerprints.
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(
        /^using the mirror .*\(registry SHA256:.+, hexpm SHA256:.+\)\n[^\n]*everything that is locked is here\n$/,
      ),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ status: "ok", hex: { releases: 2 }, problems: [] });
  });

  test("uses the mirror that runs, and not another one at that port", async () => {
    const server = await startServer(["--no-tls", ...cache()], { cwd });
    const here = await exec(["--port", String(server.port), "--", "sh", "-c", "echo $HEX_MIRROR"]);
    expect(here.stdout).toBe(`${server.url}\n`);
    const stranger = join(cwd, "stranger");
    await mkdir(stranger);
    const other = await startServer(["--no-tls", ...cache()], { cwd: stranger });
    const there = ["--mirror", ".mirror", "--port", String(other.port)];
    const elsewhere = await exec([...there, "--", "sh", "-c", "echo $HEX_MIRROR"]);
    expect(elsewhere.stdout).not.toContain(String(other.port));
  });

  test("a signal that ends the command ends exec as a shell would, and no server is left", async () => {
    const { code } = await exec(["--", "sh", "-c", "kill -TERM $$"]);
    expect(code).toBe(143);
  });

  test.each(["INT", "TERM", "HUP"])("SIG%s to exec alone reaches the command, which may live on", async (name) => {
    const script = `trap 'echo heard' ${name}; kill -${name} $PPID; sleep 0.3; echo alive`;
    const { code, stdout } = await exec(["--", "sh", "-c", script]);
    expect([code, stdout]).toEqual([0, "heard\nalive\n"]);
  });

  describe.skipIf(!isInstalled("script", "--version"))("Ctrl-C on a terminal (skipped without script)", () => {
    /** Runs a shell's script by exec on a terminal of its own, and types Ctrl-C when it says `ready`. */
    const interrupted = async (script: string) => {
      const command = [process.execPath, main, "exec", "--port", "0", ...cache(), "--", "sh", "-c", script];
      const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
      const env = { PATH: process.env["PATH"] ?? "", HOME: home, MIRROR_OFFLINE: "true", SHELL: "/bin/sh" };
      const child = spawn("script", ["-qec", `exec ${quoted}`, "/dev/null"], {
        cwd,
        env,
        stdio: ["pipe", "pipe", "ignore"],
      });
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        const was = output.includes("ready");
        output += chunk.toString();
        if (!was && output.includes("ready")) child.stdin.write("\u0003");
      });
      const [code] = (await once(child, "close")) as [number | null];
      return { code, output };
    };

    test("ends a command that does not heed it, and exec with it", async () => {
      expect(await interrupted("echo ready; exec sleep 60")).toMatchObject({ code: 130 });
    });

    // They live on for longer than exec waits for what its witness tells.
    test("comes once to one that lives on", async () => {
      const { code, output } = await interrupted("trap 'echo heard' INT; echo ready; sleep 1; sleep 1; echo alive");
      expect(code).toBe(0);
      expect(output.match(/heard/g)).toHaveLength(1);
      expect(output).toContain("alive");
    });

    test("comes once also where exec hears last of its own signal, as when it had no turn for a while", async () => {
      const others = "for pid in $(cat /proc/$PPID/task/$PPID/children); do [ $pid = $$ ] || kill -INT $pid; done";
      const itself = "sleep 0.3; kill -INT $PPID";
      const { code, output } = await interrupted(
        `trap 'echo heard' INT; ${others}; kill -INT $$; ${itself}; sleep 1; sleep 1; echo alive`,
      );
      expect(code).toBe(0);
      expect(output.match(/heard/g)).toHaveLength(1);
      expect(output).toContain("alive");
    });
  });

  test.each([
    [[], /give a command/],
    [["--", "no-such-program"], /no-such-program: there is no such program/],
  ])("%j is wrong usage", async (args, message) => {
    const { code, stderr } = await exec(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test.skipIf(process.platform !== "linux")(
    "what the system refuses to start is told (one variable of Linux's size)",
    async () => {
      // With the mirror's address behind it, it is longer than Linux takes.
      const { code, stderr } = await exec(["--port", "0", "--", "true"], { NO_PROXY: "x".repeat(131_060) });
      expect([code, stderr]).toEqual([2, expect.stringContaining("true: it cannot be run (spawn E2BIG)")]);
    },
  );

  test("in a folder without a mirror none is made, and what to do is said", async () => {
    const empty = await temporaryFolder();
    for (const [command, remedy] of [
      [["exec", ...cache(), "--", "true"], "--mirror or --url"],
      [["verify"], "--mirror"],
      [["status"], "--mirror"],
    ] as const) {
      await writeFile(join(empty, "mix.lock"), "%{}\n");
      const { code, stderr } = await mirrorServer(command, { cwd: empty, env: { HOME: home } });
      const where = `there is no mirror in ${empty}/.mirror; sync one, or give ${remedy}\n`;
      expect([code, stderr]).toEqual([2, `mirror-server: ${where}`]);
    }
    expect(await readdir(empty)).toEqual(["mix.lock"]);
  });

  test("a folder of something else is not made a mirror", async () => {
    await mkdir(join(cwd, "letters"));
    await writeFile(join(cwd, "letters/one.txt"), "dear");
    const { code, stderr } = await exec(["--mirror", "letters", "--port", "0", "--", "true"], { MIRROR_OFFLINE: "" });
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining("letters is no mirror, and holds something else (one.txt)"),
    ]);
    expect(await readdir(join(cwd, "letters"))).toEqual(["one.txt"]);
  });

  test("a mirror that was never filled says what to do", async () => {
    const { code, stderr } = await mirrorServer(["env", "--mirror", "empty", ...cache()], { cwd, env: { HOME: home } });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/no signed registry in .*; sync, build or serve it first/),
    ]);
  });

  test("git clones by every form of URL, and the user's home stays as it was", async () => {
    const before = await snapshot(home);
    for (const [index, url] of [
      "https://github.com/owner/repo.git",
      "git@github.com:owner/repo",
      "ssh://git@github.com/owner/repo.git",
      "git://github.com/owner/repo.git",
    ].entries()) {
      const { code } = await exec(["--", "git", "clone", "-q", url, `clone${index}`]);
      expect([url, code]).toEqual([url, 0]);
      expect(await git(join(cwd, `clone${index}`), ["rev-parse", "HEAD"])).toBe(revision);
    }
    expect(await snapshot(home)).toEqual(before);
  });
});

test("git URLs with a user, as the project's own lock has them, lead to the mirror too", async () => {
  const url = "https://jdoe@github.com/owner/repo.git";
  await writeFile(join(cwd, "mix.lock"), mixLock([], [`"repo": {:git, "${url}", "${revision}", []}`]));
  const { code, stdout } = await exec(["--", "git", "ls-remote", url, "HEAD"]);
  expect([code, stdout]).toEqual([0, `${revision}\tHEAD\n`]);
});

test("who is asked to stop before the command was begun does not begin it", async () => {
  const silent = createServer(() => undefined);
  const url = await listenOnLoopback(silent);
  const asked = once(silent, "connection");
  const child = spawn(process.execPath, [main, "exec", "--url", url, ...cache(), "--", "touch", "begun"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: home },
  });
  await asked;
  child.kill("SIGTERM");
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(1);
  expect(await readdir(cwd)).not.toContain("begun");
});

describe("env", () => {
  test("within an environment that it made, what the user has set is still found", async () => {
    await mkdir(join(home, ".config/rebar3"), { recursive: true });
    await writeFile(join(home, ".config/rebar3/rebar.config"), "{plugins, [my_plugin]}.\n");
    await writeFile(join(cwd, "corp.pem"), "corporate authority\n");
    const { port } = await startServer(cache(), { cwd });
    const enter = `eval "$("${process.execPath}" "${main}" env --port ${port} --cache-dir cache)"`;
    const show = 'cat "$REBAR_GLOBAL_CONFIG_DIR/.config/rebar3/rebar.config" "$GIT_SSL_CAINFO" "$NODE_EXTRA_CA_CERTS"';
    const corporate = join(cwd, "corp.pem");
    const env = { HOME: home, GIT_SSL_CAINFO: corporate, NODE_EXTRA_CA_CERTS: corporate };
    const { output } = await runClient("bash", ["-c", `${enter}; ${enter}; ${show}`], { cwd, env });
    expect(output).toContain("my_plugin");
    expect(output.split("corporate authority")).toHaveLength(3);
  });

  test("of a mirror elsewhere points git at the hosts that it tells of", async () => {
    await mkdir(join(cwd, ".mirror/git/git.example.org/o/r.git"), { recursive: true });
    const server = await startServer(["--no-tls"], { cwd });
    const elsewhere = join(cwd, "elsewhere");
    await mkdir(elsewhere);
    const args = ["env", "--url", server.url, "--format", "json", ...cache()];
    const { stdout } = await mirrorServer(args, { cwd: elsewhere, env: { HOME: home } });
    expect(Object.values(JSON.parse(stdout) as object)).toContain("https://git.example.org/");
    const gone = await mirrorServer(["env", "--url", "http://127.0.0.1:9", ...cache()], { cwd, env: { HOME: home } });
    expect([gone.code, gone.stderr]).toEqual([0, expect.stringContaining("http://127.0.0.1:9 does not answer here")]);
  });

  test("says so when nobody answers there, and refuses to point at another mirror", async () => {
    const none = await mirrorServer(["env", "--port", "9", ...cache()], { cwd, env: { HOME: home } });
    expect([none.code, none.stderr]).toEqual([
      0,
      expect.stringContaining("no mirror-server answers at http://127.0.0.1:9 yet"),
    ]);
    const stranger = join(cwd, "stranger");
    await mkdir(stranger);
    const other = await startServer(["--no-tls", ...cache()], { cwd: stranger });
    const there = ["--mirror", ".mirror", "--port", String(other.port)];
    const wrong = await mirrorServer(["env", ...there, ...cache()], { cwd, env: { HOME: home } });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("serves another mirror")]);
    const right = await mirrorServer(["env", "--url", other.url, "--format", "json", ...cache()], {
      cwd,
      env: { HOME: home },
    });
    expect(right.code).toBe(0);
    const { HEX_HOME } = JSON.parse(right.stdout) as { HEX_HOME: string };
    const key = await readFile(join(stranger, ".mirror/hex/public_key"), "utf8");
    expect(await readFile(join(HEX_HOME, "hex.config"), "utf8")).toContain(key);
  });

  test("prints what a shell evaluates, against a mirror that runs, with certificates verified over https", async () => {
    const server = await startServer([], { cwd });
    const urls = { http: server.url, https: `https://localhost:${server.tlsPort}` };
    for (const [name, url] of Object.entries(urls)) {
      const { code, stdout } = await mirrorServer(["env", "--url", url, ...cache()], { cwd, env: { HOME: home } });
      expect(code).toBe(0);
      await writeFile(join(cwd, "variables"), stdout);
      const script = `. ./variables; git clone -q https://github.com/owner/repo ${name} && curl -sSf "$HEX_MIRROR/health"`;
      const run = await runClient("sh", ["-c", script], { cwd, env: { ...gitEnvironment, HOME: home } });
      expect([run.code, run.output]).toEqual([0, expect.stringContaining('"status":"ok"')]);
      expect(await git(join(cwd, name), ["rev-parse", "HEAD"])).toBe(revision);
    }
    const bundle = await readdir(join(cwd, "cache/clients"), { recursive: true });
    expect(bundle.some((path) => path.endsWith("ca-bundle.pem"))).toBe(true);
  });

  test("--revert takes it back, in the same shell", async () => {
    const run = `"${process.execPath}" "${main}" env --port 9 --cache-dir cache`;
    const script = `env | sort > before; eval "$(${run})"; [ -n "$HEX_MIRROR" ] || exit 9; eval "$(${run} --revert)"; env | sort > after; diff before after`;
    const result = await runClient("bash", ["-c", script], { cwd, env: { HOME: home } });
    expect([result.code, result.output]).toEqual([0, expect.stringMatching(/^(?:no mirror-server answers .*\n)*$/)]);
  });

  test.each([
    ["docker", /^HEX_MIRROR=http:\/\/127\.0\.0\.1:8123$/m],
    ["github-actions", /^GIT_CONFIG_VALUE_0=https:\/\/github\.com\/$/m],
    ["json", /"HEX_CDN": "http:\/\/127\.0\.0\.1:8123"/],
  ])("--format %s", async (format, expected) => {
    const { code, stdout } = await mirrorServer(["env", "--format", format, "--port", "8123", ...cache()], { cwd });
    expect([code, stdout]).toEqual([0, expect.stringMatching(expected)]);
  });
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3", () => {
  test("fetches, verified, with the user's own global configuration still in force", async () => {
    await mkdir(join(home, ".config/rebar3"), { recursive: true });
    await writeFile(
      join(home, ".config/rebar3/rebar.config"),
      '{provider_hooks, []}.\n{hex, [{repos, [#{name => <<"mine">>}]}]}.\n',
    );
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(
      join(cwd, "app/rebar.config"),
      `{deps, [{beta, "2.1.0"}, {repo, {git, "git@github.com:owner/repo.git", {ref, "${revision}"}}}]}.\n`,
    );
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    const before = await snapshot(home);
    const { code, stdout } = await exec(["--", "sh", "-c", "cd app && rebar3 get-deps"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("Fetching beta v2.1.0")]);
    expect(await readFile(join(cwd, "app/_build/default/lib/beta/src/beta.erl"), "utf8")).toContain('"2.1.0"');
    expect(await snapshot(home)).toEqual(before);
  });
});

describe.skipIf(!isInstalled("rebar3", "--version"))("rebar3's verification", () => {
  test("is on: a registry that another key signed is refused", async () => {
    await mkdir(join(cwd, "app/src"), { recursive: true });
    await writeFile(join(cwd, "app/rebar.config"), '{deps, [{beta, "2.1.0"}]}.\n');
    await writeFile(
      join(cwd, "app/src/app.app.src"),
      '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.\n',
    );
    await writeFile(
      join(cwd, "swap.mjs"),
      `import { readFileSync, writeFileSync } from "node:fs";
       const file = process.env.REBAR_GLOBAL_CONFIG_DIR + "/.config/rebar3/rebar.config";
       const other = readFileSync("upstream.pem", "utf8");
       writeFileSync(file, readFileSync(file, "utf8").replace(/-----BEGIN.*?-----END.*?-----\\n/s, other));`,
    );
    const script = `cd app && rebar3 get-deps && cd .. && rm -r app/_build "$REBAR_CACHE_DIR" && "${process.execPath}" swap.mjs && cd app && rebar3 get-deps`;
    const { code, stdout } = await exec(["--", "sh", "-c", script]);
    // The first one, with the mirror's own key, is not.
    expect(stdout.split("Fetching beta v2.1.0")).toHaveLength(2);
    expect(code).not.toBe(0);
  });
});

describe.skipIf(!hasMix)("Mix", () => {
  const ofMix = () => ({ LANG: "C.UTF-8", MIX_HOME: join(cwd, "mix"), ...rebar3ForMix() });
  const writeApp = async (deps: string) => {
    await writeFile(
      join(cwd, "mix.exs"),
      `defmodule App.MixProject do
         use Mix.Project
         def project, do: [app: :app, version: "0.1.0", deps: [${deps}]]
       end\n`,
    );
  };

  test("fetches git dependencies from an unmodified mix.exs", async () => {
    await writeApp('{:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}');
    await writeFile(
      join(cwd, "mix.lock"),
      mixLock([], [`"repo": {:git, "https://github.com/owner/repo.git", "${revision}", []}`]),
    );
    const { code, stdout } = await exec(["mix", "deps.get"], ofMix());
    expect([code, stdout]).toEqual([0, expect.stringContaining("repo")]);
    expect(await git(join(cwd, "deps/repo"), ["rev-parse", "HEAD"])).toBe(revision);
  });

  test.skipIf(archives === undefined)(
    "fetches packages by Hex, which never sees the user's token (skipped without Hex)",
    async () => {
      await writeApp('{:beta, "~> 2.0"}');
      const server = await startServer(["--no-tls", ...cache()], { cwd });
      const env = { ...ofMix(), MIX_ARCHIVES: archives ?? "" };
      const { code, stdout, stderr } = await exec(["--port", String(server.port), "mix", "deps.get"], env);
      expect([code, stderr, stdout]).toEqual([
        0,
        expect.stringMatching(/^using the mirror [^\n]*\n[^\n]*everything is here, the next run needs no network\n$/),
        expect.stringContaining("* Getting beta (Hex package)"),
      ]);
      // The user's own package cache is used and filled.
      expect((await readdir(join(home, ".hex/packages/hexpm"))).sort()).toEqual(["alpha-1.0.0.tar", "beta-2.1.0.tar"]);
      expect(await readFile(join(home, ".hex/hex.config"), "utf8")).toContain("the user's own token");
      // Nor keys for hex.pm that stand in the environment: asked at a server that keeps what it is sent.
      const witness = await startHexUpstream([alpha]);
      const keys = { HEX_API_KEY: "for hex.pm", HEX_REPOS_KEY: "for hex.pm", HEX_MIRROR_URL: "http://127.0.0.1:9" };
      const watched = ["--url", witness.url, "--", "mix", "hex.package", "fetch", "alpha", "1.0.0"];
      expect(await exec(watched, { ...env, ...keys })).toMatchObject({ code: 0 });
      expect([...witness.authorizations.keys()]).toContain("/packages/alpha");
      expect([...witness.authorizations.values()].filter((sent) => sent !== undefined)).toEqual([]);
      // The same over https, with the bundle.
      const secure = await startServer([], { cwd });
      const fetch = ["mix", "hex.package", "fetch", "alpha", "1.0.0"];
      expect(await exec(["--url", `https://localhost:${secure.tlsPort}`, ...fetch], env)).toMatchObject({ code: 0 });
    },
  );
});
