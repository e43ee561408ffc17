/** File systems of a test's own, in memory: small ones, and ones that go away. Needs root on Linux. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const mount = (...args: string[]) => void execFileSync("mount", args, { stdio: "pipe" });

export const canMount = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const dir = mkdtempSync(join(tmpdir(), "mirror-server-test-"));
  try {
    mountMemory(dir);
    unmount(dir);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(dir);
  }
})();

export function mountMemory(dir: string): void {
  mkdirSync(dir, { recursive: true });
  mount("-t", "tmpfs", "-o", "size=1g", "tmpfs", dir);
}

/** @param options such as `ro`, or `size=65536` */
export function remount(dir: string, options: string): void {
  mount("-o", `remount,${options}`, dir);
}

export function bind(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  mount("--bind", from, to);
}

/** Whoever has files open there keeps these, and nobody else finds them. */
export function unmount(dir: string): void {
  execFileSync("umount", ["-l", dir], { stdio: "pipe" });
}
