/** The repositories that are served: made here, the same on every machine. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";

const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };

export function git(cwd: string, args: readonly string[], input?: Buffer | string): string {
  return execFileSync("git", args, { cwd, env, maxBuffer: 1 << 28, ...(input === undefined ? {} : { input }) })
    .toString()
    .trim();
}

/**
 * Some 25 MB and 80,000 objects, as a library of ten years has: 12,000 commits that each change a few lines of two
 * files out of 600, some assets that do not compress, a tag now and then.
 */
export function makeLargeRepository(dir: string): void {
  git(join(dir, ".."), ["init", "-q", "--bare", "--initial-branch=main", dir]);
  const files = Array.from({ length: 600 }, (_, n) => sourceLines(n));
  const stream: Buffer[] = [];
  for (let n = 1; n <= 12_000; n++) {
    stream.push(
      Buffer.from(`commit refs/heads/main\nmark :${n}\ncommitter T <t@t> ${1_400_000_000 + n} +0000\ndata 1\nx\n`),
    );
    for (const f of n === 1 ? files.keys() : [(n * 7) % 600, (n * 131) % 600]) {
      const lines = files[f] ?? [];
      lines[n % lines.length] = `  def changed_${n}(x), do: x * ${n}`;
      stream.push(blob(`lib/m${f % 20}/s${f % 5}/f${f}.ex`, Buffer.from(lines.join("\n"))));
    }
    if (n % 1000 === 0) stream.push(blob(`priv/n${n}.png`, noise(n, 1_000_000)));
    if (n % 200 === 0) stream.push(Buffer.from(`reset refs/tags/v${n}\nfrom :${n}\n\n`));
  }
  git(dir, ["fast-import", "--quiet", "--force"], Buffer.concat(stream));
  // As `git clone --bare` leaves it: one pack, deltas, no bitmap, no commit-graph.
  // (repack in a bare repository would make a bitmap by itself.)
  git(dir, ["-c", "repack.writeBitmaps=false", "repack", "-a", "-d", "-f", "-q"]);
  git(dir, ["pack-refs", "--all"]);
}

export function makeManyRefs(dir: string, count: number): void {
  git(join(dir, ".."), ["init", "-q", "--bare", "--initial-branch=main", dir]);
  git(dir, ["fast-import", "--quiet"], `commit refs/heads/main\ncommitter T <t@t> 1600000000 +0000\ndata 1\nx\n`);
  const head = git(dir, ["rev-parse", "main"]);
  const refs = Array.from({ length: count }, (_, n) => `create refs/heads/topic/number-${n} ${head}\n`).join("");
  git(dir, ["update-ref", "--stdin"], refs);
  git(dir, ["pack-refs", "--all"]);
}

function blob(path: string, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`M 644 inline ${path}\ndata ${content.length}\n`), content, Buffer.from("\n")]);
}

function sourceLines(seed: number): string[] {
  const words =
    noise(seed, 2000)
      .toString("base64")
      .match(/.{1,16}/g) ?? [];
  return words.map((word, n) => `${" ".repeat(n % 8)}def ${word.toLowerCase()}(x), do: x + ${n}`);
}

function noise(seed: number, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(String(seed)).digest();
}
