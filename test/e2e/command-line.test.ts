/** Wrong input: what, where, what to do; exit code 2; nothing lost. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { mirrorServer, mirrorServerToClosedPipe } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});
const run = (...args: string[]) => mirrorServer(args, { cwd });

test.each(["serve", "sync", "build", "verify", "prune", "status", "health"])(
  "%s --help shows options and examples",
  async (command) => {
    const { code, stdout } = await run(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain("--mirror <dir>");
    expect(stdout).toMatch(/Examples:\n {2}mirror-server /);
  },
);

test("--version gives the version", async () => {
  expect(await run("--version")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

describe("wrong usage", () => {
  test.each([
    [["serve", "--prot", "80"], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [["snyc"], /unknown command 'snyc'\n\(Did you mean sync\?\)/],
    [["serve", "--port", "eighty"], /--port <number>: "eighty" is not allowed; give a number from 0 to 65535/],
    [["build", "extra"], /too many arguments/],
    [
      ["sync"],
      /there is no mix\.lock, rebar\.lock or manifest\.toml in .*; run "mix deps\.get" there once, or name a lock/,
    ],
    [
      ["sync", "nowhere/mix.lock"],
      /nowhere\/mix\.lock is not there; give a mix\.lock, rebar\.lock or manifest\.toml, or a folder with one/,
    ],
    [["verify"], /there is no mix\.lock/],
    [["sync", "--hex-public-key", "none.pem", "a.lock"], /--hex-public-key <file>: there is no file .*none\.pem/],
    [["sync", "--lock-name", "x", "a.lock", "b.lock"], /--lock-name names one lock, but there are 2/],
    [["serve", "--config", "none.json"], /cannot read the configuration file .*none\.json/],
    [["build"], /there is no mirror in .*\.mirror; sync one, or give --mirror/],
    [["status"], /there is no mirror in .*\.mirror; sync one, or give --mirror/],
    [["sync", "empty.lock", "--private-key", "a.lock"], /a\.lock holds no RSA private key in PEM format/],
    [["sync", "bad.lock"], /bad\.lock:2:3: unexpected "<"/],
  ])("%j", async (args, message) => {
    await writeFile(join(cwd, "a.lock"), '%{"a": {:hex, :a, "1.0.0"}}');
    await writeFile(join(cwd, "b.lock"), "%{}");
    await writeFile(join(cwd, "empty.lock"), "%{}\n");
    await writeFile(join(cwd, "bad.lock"), "%{\n  <html>");
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  test("a port that is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await run("serve", "--port", String(port), "--no-tls");
    expect([code, stderr]).toEqual([2, expect.stringContaining(`--port: port ${port} on 127.0.0.1 is taken`)]);
  });

  test("a mirror where a file stands", async () => {
    await writeFile(join(cwd, "file"), "");
    await writeFile(join(cwd, "mix.lock"), "%{}\n");
    const { code, stderr } = await run("sync", "--mirror", "file");
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--mirror <dir>: .*\/file is no folder; give another/)]);
  });
});

test("health says when nobody answers", async () => {
  expect(await run("health", "--port", "9")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no mirror-server answers at http://127.0.0.1:9/health"),
  });
});

test("a reader that has seen enough is no error", async () => {
  await mkdir(join(cwd, ".mirror"));
  expect(await mirrorServerToClosedPipe(["status"], { cwd })).toMatchObject({ code: 0, stderr: "" });
});

test("a folder without a lock says where there is one, or what makes one", async () => {
  await mkdir(join(cwd, "umbrella/apps/web"), { recursive: true });
  await mkdir(join(cwd, "erlang"));
  await writeFile(join(cwd, "umbrella/mix.lock"), "%{}\n");
  await writeFile(join(cwd, "erlang/rebar.config"), "{deps, []}.\n");
  const inApp = await mirrorServer(["verify"], { cwd: join(cwd, "umbrella/apps/web") });
  expect(inApp.stderr).toContain(`; there is one in ${join(cwd, "umbrella")}\n`);
  expect((await run("sync", "erlang")).stderr).toContain('run "rebar3 lock" there once');
});

test("a configuration may begin with a mark of its encoding, and an empty MIRROR_CONFIG names none", async () => {
  await writeFile(join(cwd, "mirror.config.json"), '\uFEFF{"lockName": "x"}');
  await writeFile(join(cwd, "mix.lock"), "%{}\n");
  const { code, stdout } = await mirrorServer(["sync", "--json"], { cwd, env: { MIRROR_CONFIG: "" } });
  expect([code, await readdir(join(cwd, ".mirror/locks"))]).toEqual([0, ["x.json"]]);
  expect(JSON.parse(stdout)).toMatchObject({ failed: [] });
});

test("an empty lock is fine", async () => {
  await mkdir(join(cwd, "app"));
  await writeFile(join(cwd, "app/mix.lock"), "%{}\n");
  expect(await run("sync", "app")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^added 0,/) });
  expect(await run("verify", "app")).toMatchObject({ code: 0 });
});
