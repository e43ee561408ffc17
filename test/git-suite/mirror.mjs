/** The mirror-server of one test: the test's document root becomes a host's folder in its mirror, and a link stays in its place. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const program = process.env.MIRROR_SERVER ?? fileURLToPath(new URL("../../dist/main.js", import.meta.url));
export const host = "www.test";

export async function startMirror(root) {
  const mirror = `${root}/mirror`;
  const documents = `${mirror}/git/${host}`;
  mkdirSync(`${mirror}/git`, { recursive: true });
  renameSync(`${root}/www`, documents);
  symlinkSync(`mirror/git/${host}`, `${root}/www`);
  // An empty folder of owners would go when it starts.
  writeFileSync(`${documents}/kept.txt`, "");
  // The git that is tested is the one that serves.
  const PATH = `${(process.env.GIT_EXEC_PATH ?? "").replace(/\/$/, "")}/bin-wrappers:${process.env.PATH}`;
  const args = [
    "serve",
    "--json",
    "--offline",
    "--no-tls",
    "--port",
    "0",
    "--mirror",
    mirror,
    "--cache-dir",
    `${root}/cache`,
  ];
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    env: { PATH, HOME: root },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const { port } = JSON.parse(await Promise.race([firstObject(child.stdout), ended.then(() => "{}")]));
  if (port === undefined) throw new Error("mirror-server has ended");
  return {
    port,
    pathOf: (dir) => pathOf(documents, dir),
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

/** What it tells when it listens. */
async function firstObject(stream) {
  let text = "";
  for await (const chunk of stream) {
    text += chunk;
    if (text.trimEnd().endsWith("}")) break;
  }
  return text;
}

/** The repository that git would find for a path; clients may leave out how its folder's name ends. */
export function repositoryAt(path) {
  const isOne = (dir) => ["HEAD", "objects", "refs"].every((name) => existsSync(`${dir}/${name}`));
  return [`${path}/.git`, path, `${path}.git/.git`, `${path}.git`].find(isOne);
}

/** Its path below the host. What is not called as a bare repository is moved to where it is, and a link stays in its place. */
function pathOf(documents, dir) {
  const real = realpathSync(dir);
  const below = relative(realpathSync(documents), real);
  if (/^(?:[^./][^/]*\/)*[^/]+\.git$/.test(below)) return below;
  mkdirSync(`${documents}/moved`, { recursive: true });
  const moved = `moved/${readdirSync(`${documents}/moved`).length}.git`;
  renameSync(real, `${documents}/${moved}`);
  symlinkSync(`${documents}/${moved}`, real);
  return moved;
}
