/**
 * node test/git-suite/run.mjs GIT_TREE [TEST…]     git's own HTTP tests with this server in apache's place, and a table
 *
 * GIT_TREE is a built tree of https://github.com/git/git (`make`); nothing is fetched. Without names, all of t55* to t58*
 * that start a web server, and some more. git's tests refuse to run as root: then they run as `nobody`, who has to be able to
 * write the tree's `t/`. Needs openssl. MIRROR_SERVER names another build of this program. Exit code 1 when a test failed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const [tree, ...named] = process.argv.slice(2);
if (tree === undefined) {
  process.stderr.write("run.mjs GIT_TREE [TEST…]: where is a built tree of git?\n");
  process.exit(2);
}
const tests = resolve(tree, "t");
const httpd = fileURLToPath(new URL("httpd.mjs", import.meta.url));
const nobody = 65534;
const isRoot = process.getuid?.() === 0;
const root = mkdtempSync(join(tmpdir(), "git-suite-"));
if (isRoot) chownSync(root, nobody, nobody);
chmodSync(httpd, 0o755);

const usesServer = (name) => {
  const source = readFileSync(join(tests, name), "utf8");
  // Pushes by WebDAV need a server of that kind, which has nothing to do with us.
  return /lib-httpd\.sh|lib-bundle-uri-protocol|\. \.\/t5551-/.test(source) && !/LIB_HTTPD_DAV=t/.test(source);
};
const all = readdirSync(tests).filter(
  (name) => /^t(?:0410|0611|5003|5411|5[5678]\d\d)-.*\.sh$/.test(name) && usesServer(name),
);
const queue = named.length > 0 ? all.filter((name) => named.some((each) => name.startsWith(each))) : all;
const rows = [];
// By title, since numbers move. What a mirror does otherwise on purpose: docs/reliability.md
const byDesign = new Map([
  ["clone http repository", "compares answers header by header, and ours say how they came about"],
  ["test allowreachablesha1inwant with unreachable", "any commit is given by its id, as locks ask for it"],
  ["test allowanysha1inwant with unreachable", "the same"],
  ["server request log matches test results", "a refusal has words, and thus a length"],
]);
const failed = [];
const others = [];

async function work() {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const env = {
      ...process.env,
      LIB_HTTPD_PATH: httpd,
      LIB_HTTPD_MODULE_PATH: root,
      GIT_TEST_HTTPD: "true",
      HOME: root,
    };
    const user = isRoot ? { uid: nobody, gid: nobody } : {};
    const child = spawn(`./${name}`, [`--root=${root}`], {
      cwd: tests,
      env,
      stdio: ["ignore", "pipe", "ignore"],
      ...user,
    });
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    rows.push(countOf(name, output));
  }
}

function countOf(name, output) {
  const row = { name, passed: 0, failed: 0, other: 0, skipped: 0, known: 0, isWhole: /^1\.\.\d+/m.test(output) };
  for (const [, not, number, rest] of output.matchAll(/^(not )?ok (\d+)(.*)$/gm)) {
    if (rest.includes("# TODO")) row.known += 1;
    else if (/# skip/i.test(rest)) row.skipped += 1;
    else if (not === undefined) row.passed += 1;
    else {
      const [, why] = [...byDesign].find(([title]) => rest === ` - ${title}`) ?? [];
      row[why === undefined ? "failed" : "other"] += 1;
      (why === undefined ? failed : others).push(`${name} ${number}${rest}${why === undefined ? "" : `: ${why}`}`);
    }
  }
  if (!row.isWhole) failed.push(`${name} has not come to its end`);
  return row;
}

await Promise.all([work(), work()]);
rmSync(root, { recursive: true, force: true });
rows.sort((a, b) => (a.name < b.name ? -1 : 1));
const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
const line = (cells) => `| ${cells.join(" | ")} |\n`;
const table = [
  ["test", "passed", "failed", "otherwise by design", "skipped", "known to fail"],
  ["---", "---", "---", "---", "---", "---"],
  ...rows.map((row) => [row.name, row.passed, row.failed, row.other, row.skipped, row.known]),
  ["all", sum("passed"), sum("failed"), sum("other"), sum("skipped"), sum("known")],
];
const told = [...others.map((each) => `by design: ${each}\n`), ...failed.map((each) => `failed: ${each}\n`)];
process.stdout.write(table.map(line).join("") + told.join(""));
process.exit(failed.length > 0 ? 1 : 0);
