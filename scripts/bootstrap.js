/**
 * What `npm start` and `npm test` begin with, in plain JavaScript since nothing is built yet: installs and builds only
 * when something is missing or stale, so that a restart needs no network, then goes on in this very process. npm's
 * `prepare` begins here, too: for `npm link`, `npm pack` and whoever installs by a git URL.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

if (createRequire(import.meta.url)("../bin/node-version.cjs")("mirror-server")) process.exit(1);

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = join(root, "package.json");
/** package.json as it is kept, while a tarball is packed with another. */
const keptManifest = join(root, "node_modules", ".mirror-server-package.json");
const installStamp = join(root, "node_modules", ".mirror-server-installed");
const buildStamp = join(root, "dist", ".built-from");

/** @param {string[]} files @returns {string} */
function digest(files) {
  const hash = createHash("sha256");
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

/** @param {string} file @param {string} expected */
function isStamped(file, expected) {
  return existsSync(file) && readFileSync(file, "utf8") === expected;
}

/** @param {string} what @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function run(what, command, args, env = process.env) {
  process.stderr.write(`mirror-server: ${what}\n`);
  const shell = process.platform === "win32";
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell, env });
  if (status === 0) return;
  process.stderr.write(`mirror-server: ${what} failed${error === undefined ? "" : `: ${error.message}`}\n`);
  process.exit(1);
}

// What was said to the npm that runs us is about its own work: where to, for whom, of what. The rest (registry, cache,
// certificates) holds for ours.
const ofOuterNpm = [
  ...["global", "location", "prefix", "local_prefix", "global_prefix", "dry_run", "pack_destination", "json"],
  ...["omit", "include", "only", "production", "also", "ignore_scripts", "package_lock", "package_lock_only"],
  ...["workspace", "workspaces", "save", "bin_links", "install_links", "node_options", "allow_scripts"],
];

function install() {
  const stamp = digest(["package.json", "package-lock.json"]);
  if (isStamped(installStamp, stamp)) return;
  const ours = Object.entries(process.env).filter(
    ([name]) => !ofOuterNpm.some((key) => name.toLowerCase() === `npm_config_${key}`) && name !== "NODE_ENV",
  );
  // The build follows by itself, and needs to run once only. What files of npm's say besides is about other work, too.
  const whole = ["--include=dev", "--include=optional", "--no-dry-run", "--no-package-lock-only"];
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-global", "--no-workspaces", ...whole];
  run("installing (npm ci)", "npm", args, Object.fromEntries(ours));
  writeFileSync(installStamp, stamp);
}

/** Whether npm has just installed what the build needs, before it called us. */
function isInstalled() {
  return existsSync(join(root, "node_modules", "esbuild", "package.json"));
}

function build() {
  const sources = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort();
  const stamp = digest(["package.json", "package-lock.json", "scripts/bundle.js", "scripts/no-glob.cjs", ...sources]);
  if (isStamped(buildStamp, stamp)) return;
  rmSync(join(root, "dist"), { recursive: true, force: true });
  mkdirSync(join(root, "dist"));
  run("building", process.execPath, [join(root, "scripts", "bundle.js")]);
  // For `npx mirror-server` in a clone: npm makes programs executable only when it installs.
  chmodSync(join(root, "dist", "main.js"), 0o755);
  writeFileSync(buildStamp, stamp);
}

/** Who installs the tarball builds nothing, and is not asked whether scripts may run that would. */
function trimManifest() {
  const text = readFileSync(manifest, "utf8");
  writeFileSync(keptManifest, text);
  writeFileSync(manifest, trimmed(text));
}

/** Also after a packing that was killed, unless package.json is another by now, as `git pull` makes it. */
function restoreManifest() {
  if (!existsSync(keptManifest)) return;
  const isTrimmed = readFileSync(manifest, "utf8") === trimmed(readFileSync(keptManifest, "utf8"));
  if (isTrimmed) renameSync(keptManifest, manifest);
  else rmSync(keptManifest);
}

/** @param {string} text of package.json */
function trimmed(text) {
  const { scripts, ...rest } = JSON.parse(text);
  const { prepare: _builds, ...others } = scripts;
  return `${JSON.stringify({ ...rest, scripts: others }, null, 2)}\n`;
}

/** npm ends by some signals without passing them on, and who ends npm means the server. */
function endWithParent() {
  const parent = process.ppid;
  const watching = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watching);
    process.kill(process.pid, "SIGTERM");
  }, 500);
  watching.unref();
}

const [task = "", ...args] = process.argv.slice(2);
restoreManifest();
if (task === "packed") process.exit(0);
// `compile` is what npm's own `prepare` asks for: npm has just installed, or links or packs a clone as it is.
if (task !== "compile" || !isInstalled()) install();
build();
if (task === "pack") trimManifest();
if (task === "start") {
  if (process.env["npm_lifecycle_event"] !== undefined) endWithParent();
  process.argv = [process.argv[0] ?? "node", join(root, "dist", "main.js"), "serve", ...args];
  await import(pathToFileURL(join(root, "dist", "main.js")).href);
}
if (task === "bench") {
  const [name = "git", ...rest] = args;
  const file = join(root, "dist-bench", "bench", `${name}.js`);
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  run("building benchmarks", process.execPath, [tsc, "-p", "tsconfig.bench.json"]);
  process.argv = [process.argv[0] ?? "node", file, ...rest];
  await import(pathToFileURL(file).href);
}
if (task === "test") {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  process.exitCode = spawnSync(process.execPath, [vitest, "run", ...args], { cwd: root, stdio: "inherit" }).status ?? 1;
}
