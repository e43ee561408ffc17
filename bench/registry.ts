/**
 * npm run bench -- registry        signing a registry: ours against `mix hex.registry build`
 *
 * On the same 500 generated tarballs of 150 packages, peers taking turns, medians of several rounds: everything anew,
 * and after one new tarball. As whole programs, their start included; and the work alone, as `sync` does it in a
 * process that runs already, against Mix's time less that of a Mix that does nothing. Needs Mix with Hex; without it,
 * ours is measured alone.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentReporter } from "../src/reporter.ts";
import { loadConfig } from "../src/config.ts";
import type { NamedRelease } from "../src/options.ts";
import { generatePrivateKey } from "../src/hex/keys.ts";
import { openMirror } from "../src/mirror/mirror.ts";
import { makeTarball } from "../test/support/tarballs.ts";
import { interleaved, seconds } from "./support/measure.ts";
import { printTable } from "./support/table.ts";

const rounds = Number(process.argv[2] ?? 5);
const packages = 150;
const tarballs = 500;
const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const environment = { PATH: process.env["PATH"] ?? "", HOME: root, MIX_HOME: process.env["MIX_HOME"] ?? "" };

interface Builder {
  readonly tarballsDir: string;
  /** Takes away all that it has built. */
  readonly forget: () => void;
  /** @param adopt releases of one's own that are new */
  readonly build: (adopt?: readonly NamedRelease[]) => Promise<void>;
}

const inProcess = "ours, the work alone";
const mixName = "mix hex.registry build";

try {
  await measure();
} finally {
  rmSync(root, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const made = join(root, "made");
  mkdirSync(made);
  for (let index = 0; index < tarballs; index += 1) writeTarball(made, index);
  const late = join(root, "late");
  mkdirSync(late);
  writeTarball(late, tarballs);

  writeFileSync(join(root, "key.pem"), generatePrivateKey(), { mode: 0o600 });
  const builders: Record<string, Builder> = {
    ours: ours(join(root, "ours")),
    [inProcess]: oursInProcess(join(root, "process")),
  };
  if (hasHex()) builders[mixName] = mix(join(root, "mix"));

  for (const builder of Object.values(builders)) cpSync(made, builder.tarballsDir, { recursive: true });
  const idle = hasHex() ? await interleaved(rounds, { mix: () => seconds(() => run("mix", ["hex"])) }) : {};
  const scenarios: Record<string, (builder: Builder) => Promise<void> | void> = {
    "everything anew": ({ forget }) => forget(),
    "one new tarball": async ({ tarballsDir, build }) => {
      rmSync(join(tarballsDir, fileName(tarballs)), { force: true });
      await build();
      cpSync(late, tarballsDir, { recursive: true });
    },
    "nothing new": () => undefined,
  };
  // Nobody upstream vouches for it: a person has to say that it is right.
  const own = [{ repository: "hexpm", ...release(tarballs) }];
  const against = hasHex() ? mixName : "no Mix with Hex here";
  const rows = [[`against ${against}`, "whole programs", "the work alone"]];
  for (const [what, prepare] of Object.entries(scenarios)) {
    const peers = Object.entries(builders).map(([name, builder]) => {
      const measured = async () => {
        await prepare(builder);
        return seconds(() => builder.build(what === "one new tarball" ? own : []));
      };
      return [name, measured] as const;
    });
    rows.push(row(what, await interleaved(rounds, Object.fromEntries(peers)), idle["mix"] ?? 0));
  }
  printTable(rows);
}

function row(what: string, times: Record<string, number>, mixIdle: number): string[] {
  const [whole = 0, work = 0, mixWhole] = [times["ours"], times[inProcess], times[mixName]];
  const against = (ours: number, theirs: number) => `${(theirs / ours).toFixed(1)} ×`;
  if (mixWhole === undefined) return [what, `${whole.toFixed(3)} s`, `${work.toFixed(3)} s`];
  return [what, against(whole, mixWhole), against(work, mixWhole - mixIdle)];
}

function release(index: number): { readonly name: string; readonly version: string } {
  return { name: `package${index % packages}`, version: `1.${Math.floor(index / packages)}.0` };
}

function fileName(index: number): string {
  const { name, version } = release(index);
  return `${name}-${version}.tar`;
}

/** As packages of hex.pm are on average: 73 kB in the 32 of a real app's lock, in some 40 files. */
function writeTarball(dir: string, index: number): void {
  const files = Array.from({ length: 40 }, (_, file) => [
    `lib/package/module_${file}.ex`,
    // Compresses badly, so that this is what is left of it.
    Array.from({ length: 150 }, () => Math.random().toString(36)).join("\n"),
  ]);
  const { bytes } = makeTarball({
    ...release(index),
    requirements: [1, 2, 3].map((step) => ({ name: `package${(index + step) % packages}`, requirement: "~> 1.0" })),
    files: Object.fromEntries(files) as Record<string, string>,
  });
  writeFileSync(join(dir, fileName(index)), bytes);
}

function ours(dir: string): Builder {
  const hex = join(dir, "hex");
  mkdirSync(join(hex, "tarballs"), { recursive: true });
  return {
    tarballsDir: join(hex, "tarballs"),
    forget: () => forget(hex, join(dir, "cache")),
    build: async (adopt = []) =>
      run(process.execPath, [
        main,
        "build",
        "--mirror",
        dir,
        "--cache-dir",
        join(dir, "cache"),
        "--private-key",
        join(root, "key.pem"),
        ...adopt.flatMap(({ name, version }) => ["--adopt", `${name}@${version}`]),
      ]),
  };
}

function oursInProcess(dir: string): Builder {
  const cacheDir = join(dir, "cache");
  const builder = ours(dir);
  const flags = { mirror: dir, cacheDir, privateKey: join(root, "key.pem") };
  const config = loadConfig({ flags, environment, cwd: root });
  const mirror = openMirror(config, { environment, reporter: silentReporter, signal: new AbortController().signal });
  return { ...builder, build: async (adopt = []) => void (await mirror.build({ dryRun: false, adopt })) };
}

function mix(dir: string): Builder {
  mkdirSync(join(dir, "tarballs"), { recursive: true });
  return {
    tarballsDir: join(dir, "tarballs"),
    forget: () => forget(dir),
    build: async () =>
      run("mix", ["hex.registry", "build", dir, "--name=hexpm", `--private-key=${join(root, "key.pem")}`]),
  };
}

function forget(hex: string, ...others: string[]): void {
  const built = ["names", "versions", "packages", "public_key"].map((name) => join(hex, name));
  for (const path of [...built, ...others]) rmSync(path, { recursive: true, force: true });
}

function hasHex(): boolean {
  return spawnSync("mix", ["help", "hex.registry"], { env: environment, cwd: root, stdio: "ignore" }).status === 0;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { env: environment, cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
}
