/** npm run bench -- git-sizes    how large a mirrored repository is with all refs, with what locks name, and shallow */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startOurs } from "./support/peers.ts";
import { printTable } from "./support/table.ts";
import { git, makeLargeRepository } from "./support/repositories.ts";

const root = mkdtempSync(join(tmpdir(), "mirror-server-bench-"));
const main = new URL("../../dist/main.js", import.meta.url).pathname;
const source = join(root, "upstream/.mirror/git/github.com/owner/large.git");
mkdirSync(join(source, ".."), { recursive: true });
makeLargeRepository(source);
// A side branch of large files that no lock names, as a gh-pages branch is.
const site = Array.from({ length: 8 }, (_, n) => {
  const content = createHash("shake256", { outputLength: 1_000_000 }).update(`site ${n}`).digest();
  return Buffer.concat([
    Buffer.from(`M 644 inline site/${n}.bin\ndata ${content.length}\n`),
    content,
    Buffer.from("\n"),
  ]);
});
const commit = "commit refs/heads/gh-pages\ncommitter T <t@t> 1600000000 +0000\ndata 1\nx\n";
git(source, ["fast-import", "--quiet"], Buffer.concat([Buffer.from(commit), ...site]));
const rows = [["refs", "MB"]];
const upstream = await startOurs(join(root, "upstream"));
try {
  const revision = git(source, ["rev-parse", "v12000"]);
  const app = join(root, "app");
  mkdirSync(app);
  writeFileSync(
    join(app, "mix.lock"),
    `%{"large": {:git, "https://github.com/owner/large.git", "${revision}", [tag: "v12000", depth: 1]}}\n`,
  );
  for (const [name, args] of Object.entries({
    all: [],
    locked: ["--git-refs", "locked"],
    shallow: ["--git-shallow"],
  })) {
    const mirror = join(root, name);
    const env = {
      ...process.env,
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: `url.${upstream.url}/github.com/.insteadOf`,
      GIT_CONFIG_VALUE_0: "https://github.com/",
    };
    execFileSync(process.execPath, [main, "sync", app, "--mirror", mirror, ...args], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const status = execFileSync(process.execPath, [main, "status", "--mirror", mirror, "--json"], { env }).toString();
    const [repository] = (JSON.parse(status) as { git: { bytes: number }[] }).git;
    rows.push([name, ((repository?.bytes ?? 0) / 1e6).toFixed(1)]);
  }
  printTable(rows);
} finally {
  await upstream.stop();
  rmSync(root, { recursive: true, force: true });
}
