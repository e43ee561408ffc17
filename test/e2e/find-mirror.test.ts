/** Where the mirror is, when nobody says so: the same for every command. */
import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { main, mirrorServer, startServer } from "../support/cli.ts";
import { fixtures, temporaryFolder } from "../support/folder.ts";

let home: string;
let clone: string;
let app: string;

/** A home with a clone of mirror-server, a mirror in it, and an app beside. */
beforeEach(async () => {
  home = await temporaryFolder();
  clone = join(home, "mirror-server");
  app = join(home, "code/app");
  await makeMirror(clone);
  await mkdir(app, { recursive: true });
  await writeFile(join(app, "mix.lock"), "%{}\n");
});

async function makeMirror(folder: string): Promise<void> {
  await cp(join(fixtures, "golden/hex"), join(folder, ".mirror/hex"), { recursive: true });
  await cp(join(fixtures, "golden/private_key.pem"), join(folder, ".mirror/private_key.pem"));
  await chmod(join(folder, ".mirror/private_key.pem"), 0o600);
}

const run = async (args: string[], cwd: string, env: Record<string, string> = {}) =>
  mirrorServer(args, { cwd, env: { HOME: home, ...env } });

describe("a server of this user", () => {
  test("says which mirror is meant, to every command: serve in the clone, work in the app", async () => {
    const server = await startServer([], { cwd: clone, env: { HOME: home } });
    const exec = await run(["exec", "--", "sh", "-c", "echo $HEX_MIRROR"], app);
    expect(exec).toMatchObject({ code: 0, stdout: `${server.url}\n` });
    expect(exec.stderr).toContain(`using the mirror ${clone}/.mirror at ${server.url}`);
    expect((await run(["env"], app)).stdout).toContain(`export HEX_MIRROR='${server.url}'`);
    expect((await run(["status"], app)).stdout).toContain("Hex: 5 packages, 10 releases");
    expect(await run(["verify"], app)).toMatchObject({ code: 0 });
    expect((await run(["health"], app)).stdout).toBe("ok\n");
    expect(await run(["build"], app)).toMatchObject({ code: 0, stdout: expect.stringContaining("5 packages") });
    expect(await run(["sync", "--dry-run"], app)).toMatchObject({ code: 0 });
    // It is served with a certificate of the clone's authority, which is known by that.
    const secure = `https://localhost:${server.tlsPort}`;
    const script = `curl -sS ${secure}/health/live`;
    expect(
      (await run(["exec", "--url", secure, "--certs-dir", join(clone, "certs"), "--", "sh", "-c", script], app)).stdout,
    ).toBe('{"status":"ok"}');
  });

  test("is not believed by what it says of itself, nor by a file that others could have written", async () => {
    const server = await startServer(["--no-tls"], { cwd: clone, env: { HOME: home } });
    const file = join(home, ".cache/mirror-server/servers", `${server.port}.json`);
    const written = JSON.parse(await readFile(file, "utf8")) as { folders: Record<string, string> };
    const lie = { ...written, folders: { ...written.folders, mirror: "/elsewhere", hexDir: "/elsewhere/hex" } };
    await writeFile(file, JSON.stringify(lie), { mode: 0o600 });
    expect((await run(["status"], app)).stderr).toContain(`there is no mirror in ${app}/.mirror`);
    await writeFile(file, JSON.stringify(written));
    await chmod(file, 0o644);
    expect((await run(["status"], app)).stderr).toContain(`there is no mirror in ${app}/.mirror`);
  });

  test("gives way to a flag, the environment and a configuration", async () => {
    await startServer(["--no-tls"], { cwd: clone, env: { HOME: home } });
    await makeMirror(join(home, "other"));
    const other = join(home, "other/.mirror");
    const status = async (args: string[], env: Record<string, string> = {}) =>
      (await run(["status", "--json", ...args], app, env)).code;
    expect(await status(["--mirror", other])).toBe(0);
    expect(await status(["--mirror", "none"])).toBe(2);
    expect(await status([], { MIRROR_DIR: join(app, "none") })).toBe(2);
    await writeFile(join(app, "mirror.config.json"), "{}");
    expect(await status([])).toBe(2);
  });

  test("one of several is named by its port, or by the folder that one works in; else all are named", async () => {
    await makeMirror(app);
    await startServer(["--no-tls"], { cwd: clone, env: { HOME: home } });
    const own = await startServer(["--no-tls"], { cwd: app, env: { HOME: home } });
    const asked = async (cwd: string, ...args: string[]) =>
      (await run(["exec", ...args, "--", "sh", "-c", "echo $HEX_MIRROR"], cwd)).stdout.trim();
    expect(await asked(app)).toBe(own.url);
    const elsewhere = join(home, "elsewhere");
    await mkdir(elsewhere);
    expect(await asked(elsewhere, "--port", String(own.port))).toBe(own.url);
    const { code, stderr } = await run(["status"], elsewhere);
    expect(code).toBe(2);
    for (const folder of [clone, app]) expect(stderr).toContain(`a server of yours serves ${folder}/.mirror on port`);
  });
});

describe("the nearest .mirror upwards", () => {
  test("is meant, in a folder of an umbrella as well", async () => {
    await makeMirror(join(home, "code"));
    const web = join(app, "apps/web");
    await mkdir(web, { recursive: true });
    await writeFile(join(web, "mix.lock"), "%{}\n");
    expect((await run(["status"], web)).stdout).toContain("Hex: 5 packages");
    expect(await run(["verify"], web)).toMatchObject({ code: 0 });
    const exec = await run(["exec", "--port", "0", "--", "true"], web);
    expect(exec.stderr).toContain(`using the mirror ${join(home, "code")}/.mirror`);
  });

  test("is not looked for above the home folder", async () => {
    await makeMirror(home);
    expect((await run(["status"], app)).code).toBe(0);
    expect((await run(["status"], app, { HOME: join(home, "code") })).code).toBe(2);
  });

  test("what is called so and is no mirror is passed by", async () => {
    await mkdir(join(home, "code/.mirror"));
    await makeMirror(home);
    expect((await run(["status"], app)).code).toBe(0);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "one of another user is passed over, and named (skipped where this is not root)",
    async () => {
      await makeMirror(join(home, "code"));
      await chmod(home, 0o755);
      // The program where that user can read it, wherever this clone lies.
      const program = join(home, "program");
      await cp(join(main, ".."), join(program, "dist"), { recursive: true });
      await cp(join(main, "../../package.json"), join(program, "package.json"));
      // As nobody, whose home is elsewhere, in a folder of their own below somebody else's.
      const work = join(home, "code/theirs");
      await mkdir(work);
      await rename(app, join(work, "app"));
      const run = (cwd: string) =>
        spawnSync(process.execPath, [join(program, "dist/main.js"), "status"], {
          cwd,
          uid: 65_534,
          gid: 65_534,
          encoding: "utf8",
          env: { PATH: process.env["PATH"], HOME: home, XDG_CACHE_HOME: join(home, "none"), MIRROR_OFFLINE: "true" },
        });
      const passed = run(join(work, "app"));
      expect([passed.status, passed.stderr]).toEqual([
        2,
        expect.stringContaining(`${join(home, "code")}/.mirror belongs to another user`),
      ]);
      const here = run(join(home, "code"));
      expect([here.status, here.stderr]).toEqual([
        2,
        expect.stringMatching(/\.mirror belongs to another user, and is not used; give --mirror if it is right/),
      ]);
    },
  );
});

test("beside the older stack, sync and serve say what would use it", async () => {
  await cp(join(fixtures, "golden/hex"), join(app, ".hex_repo"), { recursive: true });
  const words = '.hex_repo here is of the older stack: "mirror-server init" sets that up to be served where it is';
  expect((await run(["sync"], app)).stderr).toContain(words);
  const server = await startServer(["--no-tls"], { cwd: app, env: { HOME: home } });
  expect(server.log()).not.toContain("error");
});
