/** What a newcomer asks for: help in 80 columns, guides, what an error says, and how quiet or talkative it all is. */
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { main, mirrorServer, startServer } from "../support/cli.ts";
import { runClient } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";
import { startHexUpstream } from "../support/hex-upstream.ts";
import { alpha, beta, makeTarball, mixLock } from "../support/tarballs.ts";

let cwd: string;
const run = (...args: string[]) => mirrorServer(args, { cwd });

beforeEach(async () => {
  cwd = await temporaryFolder();
});

describe.each(["", ...Object.keys(commands), "completion"])("help of %j", (name) => {
  test("fits into 80 columns, says where there is more, and is the same whichever way it is asked for", async () => {
    const [help, flag] = [
      await run("help", ...(name === "" ? [] : [name])),
      await run(...(name === "" ? [] : [name]), "--help"),
    ];
    expect(help.code).toBe(0);
    expect(help.stdout).toBe(flag.stdout);
    expect(help.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(help.stdout).toMatch(name === "completion" ? /bashrc/ : /https:\/\/\S+/);
  });
});

test("a command's own options come first, then groups, each with what holds where nothing is said", async () => {
  const { stdout } = await run("serve", "--help");
  const headings = stdout.split("\n").filter((line) => /^[A-Z].*:$/.test(line));
  expect(headings[0]).toBe("Options:");
  expect(headings).toEqual(
    expect.arrayContaining(["Which mirror:", "Whom it asks:", "How it listens:", "What it prints:"]),
  );
  expect(stdout.indexOf("--watch")).toBeLessThan(stdout.indexOf("--mirror <dir>"));
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("HTTP port; 0 takes any free one (default: 8000)");
});

describe("guides", () => {
  test("each is shown by its name; there is a list, and a hint for who mistypes one", async () => {
    const names = (await readdir(new URL("../../docs/guides", import.meta.url))).map((file) =>
      file.replace(/\.md$/, ""),
    );
    const { stdout } = await run("help", "guides");
    for (const name of names) expect(stdout).toMatch(new RegExp(`^ {2}${name} +[A-Z]`, "m"));
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect((await run("help", "laptop")).stdout).toMatch(/^\n?On a laptop\n=+\n/);
    expect(await run("help", "labtop")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/did you mean "laptop"\?/),
    });
  });
});

describe("errors", () => {
  test.each([
    [["sycn"], /unknown command 'sycn'[\s\S]*sync/],
    [["sync", "--jsn"], /unknown option '--jsn'[\s\S]*--json/],
    [["certs", "renwe"], /"renwe" is no certs action; did you mean "renew"/],
    [["serve", "--port", "eighty"], /--port <number>: "eighty" is not allowed; give a number from 0 to 65535/],
    [["sync", "nowhere"], /nowhere is not there/],
  ])("%j: one prefix, and a remedy", async (args, message) => {
    const { code, stderr, stdout } = await run(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^mirror-server: /);
  });

  test("with --json they are one document, on standard output", async () => {
    for (const [args, code, message] of [
      [["sync", "nowhere", "--json"], "usage", /nowhere is not there/],
      [["serve", "--json", "--port", "x"], "config", /--port/],
      [["sync", "--json", "--no-such"], "usage", /^unknown option '--no-such'/],
    ] as const) {
      const { stdout, stderr, code: exit } = await run(...args);
      expect([exit, JSON.parse(stdout)]).toEqual([2, { error: { code, message: expect.stringMatching(message) } }]);
      expect(stderr).toMatch(/^mirror-server: /);
    }
  });

  test("so they are where a variable or the configuration file asks for JSON, and not where another command is asked", async () => {
    const variable = await mirrorServer(["sync", "nowhere"], { cwd, env: { MIRROR_JSON: "true" } });
    expect(JSON.parse(variable.stdout)).toMatchObject({ error: { code: "usage" } });
    await writeFile(join(cwd, "mirror.config.json"), '{"json": true}');
    expect(JSON.parse((await run("verify", "nowhere")).stdout)).toMatchObject({ error: { code: "usage" } });
    await writeFile(join(cwd, "mirror.config.json"), "{}");
    expect(await run("exec", "--offline", "prog", "--json", "-v")).toMatchObject({ code: 2, stdout: "" });
  });

  test("--verbose tells where one came from; without it nobody is shown a trace", async () => {
    const silent = await run("sync", "nowhere");
    expect(silent.stderr).not.toMatch(/ at .*\.js/);
    expect((await run("sync", "nowhere", "--verbose")).stderr).toMatch(/caused by.*ENOENT.* at /);
    expect((await run("exec", "--", "sh", "-c", "exit 3", "--json")).stdout).toBe("");
  });
});

describe("with something held", () => {
  const other = makeTarball({ name: "other", version: "2.0.0" });
  let upstream: readonly string[];

  beforeEach(async () => {
    const hex = await startHexUpstream([alpha, beta, other]);
    upstream = ["--hex-url", hex.url, "--hex-public-key", await hex.writePublicKey(join(cwd, "upstream.pem"))];
    await mkdir(join(cwd, "app"));
    await writeFile(join(cwd, "app/mix.lock"), mixLock([alpha, beta]));
  });
  const sync = (...args: string[]) => run("sync", ...upstream, ...args);

  test("--quiet says what goes wrong and nothing else; an answer is still an answer", async () => {
    expect(await sync("app", "--quiet")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(JSON.parse((await sync("app", "-q", "--json")).stdout)).toMatchObject({ unchanged: 2 });
    expect((await run("list", "-q")).stdout).toMatch(/^alpha 1\.0\.0 /m);
    expect((await sync("app", "-q", "--dry-run")).stdout).toMatch(/^would fetch 0/m);
    expect((await run("prune", "-q", "--dry-run")).stdout).toMatch(/^would remove 0/m);
    await writeFile(join(cwd, "app/mix.lock"), mixLock([alpha, makeTarball({ name: "absent", version: "1.0.0" })]));
    const failed = await sync("app", "-q");
    expect([failed.code, failed.stdout, failed.stderr]).toEqual([1, "", expect.stringMatching(/failed absent/)]);
  });

  test("list tells what is held, how big, and who wants it; why tells through whom", async () => {
    await sync("app", "--package", "other@2.0.0");
    const { stdout } = await run("list");
    expect(stdout).toMatch(/^alpha 1\.0\.0 +[\d.]+ k?B {2}app$/m);
    expect(stdout).toMatch(/^other 2\.0\.0 +[\d.]+ k?B {2}--package$/m);
    expect((await run("list", "bet*")).stdout).toMatch(/^beta 2\.1\.0 [^\n]*\n$/);
    expect((await run("list", "nothing")).stdout).toBe("nothing that is held is called nothing\n");
    const items = JSON.parse((await run("list", "--json")).stdout) as { item: { name?: string }; locks: string[] }[];
    expect(items.find(({ item }) => item.name === "alpha")).toMatchObject({ locks: ["app"] });
    expect((await run("why", "alpha")).stdout).toMatch(/^alpha 1\.0\.0 \(held, [^)]*\)\n {2}app → beta → it\n$/);
    expect((await run("why", "beta")).stdout).toMatch(/\n {2}app names it, and nothing else there needs it\n$/);
    expect((await run("why", "other")).stdout).toMatch(/\n {2}--package names it/);
    expect(JSON.parse((await run("why", "alpha", "--json")).stdout)).toMatchObject([
      { isHeld: true, wantedBy: [{ lock: "app", through: [["beta"]] }] },
    ]);
    expect(await run("why", "aplha")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/did you mean "alpha"\?/),
    });
    expect((await run("why")).code).toBe(2);
    // What nobody can know is not said.
    await rm(join(cwd, ".mirror/hex/packages/beta"));
    expect((await run("why", "alpha@1.0.0")).stdout).toMatch(/\n {2}app, through whom cannot be told: records/);
  });

  test("a probe is logged for those who want to know everything", async () => {
    const usual = await startServer(["--no-tls"], { cwd });
    const talkative = await startServer(["--no-tls", "-v", "--mirror", "other"], { cwd });
    for (const server of [usual, talkative]) {
      for (const path of ["/health", "/health/live", "/health/ready", "/names"]) await fetch(`${server.url}${path}`);
    }
    await expect.poll(() => usual.log()).toContain('"/names"');
    expect(usual.log()).not.toContain('"/health');
    await expect.poll(() => talkative.log()).toContain('"/health/ready"');
  });
});

test("what is shown by help is what lies in the repository", async () => {
  const source = await readFile(new URL("../../docs/guides/air-gapped.md", import.meta.url), "utf8");
  const [title = ""] = source.split("\n");
  expect((await run("help", "air-gapped")).stdout).toContain(title.replace(/^# /, ""));
});

describe("paths that are of another kind than is meant", () => {
  beforeEach(async () => {
    await writeFile(join(cwd, "file"), "");
    await mkdir(join(cwd, "folder"));
    await writeFile(join(cwd, "mix.lock"), "%{}\n");
  });

  test.each([
    [["serve", "--mirror", "file"], /--mirror <dir>: .*\/file is no folder/],
    [["list", "--git-dir", "file"], /--git-dir <dir>: .*\/file is no folder/],
    [["sync", "--private-key", "folder"], /--private-key <file>: .*\/folder is a folder; give a file/],
    [["serve", "--tls-cert", "nope", "--tls-key", "file"], /--tls-cert <file>: there is no file .*\/nope/],
    [["serve", "--no-tls", "--host", "nosuch.invalid"], /--host: nosuch\.invalid is no address of this machine/],
    [["serve", "--config", "folder"], /cannot read the configuration file .*\/folder; correct --config/],
    [["sync", ""], /an empty path was given/],
  ])("%j: exit 2, and the option is named", async (args, message) => {
    expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });

  test("a variable is named where it was one, and the one that was meant where it is none", async () => {
    const given = await mirrorServer(["sync"], { cwd, env: { MIRROR_HEX_PUBLIC_KEY: "nope" } });
    expect([given.code, given.stderr]).toEqual([2, expect.stringMatching(/MIRROR_HEX_PUBLIC_KEY: there is no file/)]);
    const mistyped = await mirrorServer(["verify"], { cwd, env: { MIRROR_HEX_DR: "x" } });
    expect(mistyped.stderr).toMatch(/MIRROR_HEX_DR is no option .*did you mean MIRROR_HEX_DIR\?/);
  });

  test("a folder that is no mirror is not taken for an empty one", async () => {
    await writeFile(join(cwd, "folder/mix.exs"), "");
    for (const command of ["list", "status", "why x"]) {
      const { code, stderr } = await run(...command.split(" "), "--mirror", "folder");
      expect([command, code, stderr]).toEqual([command, 2, expect.stringMatching(/is no mirror.*mix\.exs/)]);
    }
  });
});

test.skipIf(process.platform !== "linux")("output that cannot be written is told, without a trace", async () => {
  const script = `"$0" "$1" help laptop > /dev/full`;
  const ran = await runClient("bash", ["-c", script, process.execPath, main], { cwd, env: { HOME: cwd } });
  expect(ran).toEqual({
    code: 1,
    output: expect.stringMatching(/^mirror-server: what it prints cannot be written: [^\n]*\n$/),
  });
});
