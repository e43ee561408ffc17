/**
 * What the program loads, as a sign of how fast it starts: files are opened one by one, and each byte is parsed. The
 * times themselves are measured by `npm run bench -- start`; no test asserts one.
 */
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startServer } from "../support/cli.ts";
import { temporaryFolder } from "../support/folder.ts";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

interface Loaded {
  readonly modules: readonly string[];
  readonly kilobytes: number;
}

/** Writes the URL of each module to a file: those that are imported, and those that these require. */
const hooks = `
  import { register } from "node:module";
  register("data:text/javascript," + encodeURIComponent(\`
    import { appendFileSync } from "node:fs";
    export async function load(url, context, next) {
      if (url.startsWith("file:")) appendFileSync(process.env.LOADED_MODULES, url + "\\\\n");
      return next(url, context);
    }
  \`));
  import { createRequire } from "node:module";
  import { appendFileSync } from "node:fs";
  import { pathToFileURL } from "node:url";
  const require = createRequire(import.meta.url);
  process.on("exit", () => {
    for (const file of Object.keys(require.cache)) appendFileSync(process.env.LOADED_MODULES, pathToFileURL(file) + "\\n");
  });
`;

let hookFile: string;
let list: string;

async function watching(): Promise<Record<string, string>> {
  const folder = await temporaryFolder();
  hookFile = join(folder, "hooks.mjs");
  list = join(folder, "loaded");
  await writeFile(hookFile, hooks);
  await writeFile(list, "");
  return { LOADED_MODULES: list, NODE_OPTIONS: `--import ${hookFile}` };
}

async function loaded(): Promise<Loaded> {
  const urls = [...new Set((await readFile(list, "utf8")).trim().split("\n"))];
  const modules = urls.map((url) => fileURLToPath(url)).filter((path) => path !== hookFile);
  const bytes = modules.reduce((sum, path) => sum + statSync(path).size, 0);
  return { modules, kilobytes: Math.ceil(bytes / 1000) };
}

async function runLoaded(args: readonly string[]): Promise<Loaded> {
  const env = { PATH: process.env["PATH"] ?? "", ...(await watching()) };
  await promisify(execFile)(process.execPath, [main, ...args], { env });
  return loaded();
}

test("the version and help need the command line and the options, no more", async () => {
  const version = await runLoaded(["--version"]);
  const help = await runLoaded(["verify", "--help"]);
  expect(help.modules).toEqual(version.modules);
  expect(version.modules.length).toBeLessThanOrEqual(15);
  expect(version.kilobytes).toBeLessThanOrEqual(460);
});

test("a command that serves nothing loads neither a web server nor an HTTP client", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "mix.lock"), "%{}\n");
  const mirror = join(folder, "mirror");
  await mkdir(join(mirror, "hex"), { recursive: true });
  const verify = await runLoaded(["verify", folder, "--mirror", mirror]);
  expect(verify.modules.length).toBeLessThanOrEqual(52);
  expect(verify.kilobytes).toBeLessThanOrEqual(1500);
  // It reads records, to tell whether what locks name is here.
  const status = await runLoaded(["status", "--mirror", mirror]);
  expect(status.modules.length).toBeLessThanOrEqual(47);
  expect(status.kilobytes).toBeLessThanOrEqual(1465);
});

test("serve loads neither what makes certificates, where it has one, nor what fetches", async () => {
  const cwd = await temporaryFolder();
  await (await startServer([], { cwd })).stop();
  const server = await startServer([], { cwd, env: await watching() });
  await server.stop();
  const { modules, kilobytes } = await loaded();
  expect(modules.length).toBeLessThanOrEqual(56);
  expect(kilobytes).toBeLessThanOrEqual(2680);
});

test("all of it lies in dist: nothing is looked for among installed packages", async () => {
  const version = await runLoaded(["--version"]);
  const outside = version.modules.filter((path) => !path.startsWith(join(main, "..")));
  expect(outside).toEqual([]);
});
