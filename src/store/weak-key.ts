/**
 * A registry's key that others may have is used all the same, since clients know it, and told each time with what to do:
 * the old stack committed its key.
 */
import { createPublicKey } from "node:crypto";
import { statSync } from "node:fs";
import { readIfPresent } from "../disk/files.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { isTracked } from "../git/tracked.ts";
import { readPrivateKey } from "../hex/keys.ts";
import type { Context } from "./context.ts";

const leastBits = 2048;
const remedy =
  'make another ("mirror-server build --new-key" once the old one is moved away), and give its public_key to every client';

export async function tellWeakKey(
  { paths, reporter }: Context,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<void> {
  for (const text of await keyProblems(paths.privateKey.path, gitEnvironments)) reporter.warn(text);
}

/** Who may have the key, and whether it is worth having. */
export async function keyProblems(file: string, gitEnvironments: () => Promise<GitEnvironments>): Promise<string[]> {
  // One that cannot be read is told by what needs it.
  const pem = await readIfPresent(file).catch(() => undefined);
  if (pem === undefined) return [];
  const problems: string[] = [];
  if (await isTracked(file, gitEnvironments)) {
    problems.push(
      `git keeps the registry's key ${file}: whoever has that repository can sign anything; take it out (git rm --cached) and ${remedy}`,
    );
  }
  if (isReadByOthers(file)) {
    problems.push(`the registry's key ${file} may be read by others: run chmod 600, and if they did, ${remedy}`);
  }
  const bits = bitsOf(pem.toString("utf8"), file);
  if (bits !== undefined && bits < leastBits) {
    problems.push(`the registry's key ${file} has ${bits} bits, fewer than ${leastBits}; ${remedy}`);
  }
  return problems;
}

/** Of what a link leads to. */
function isReadByOthers(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  if (process.platform === "win32" || found === undefined) return false;
  // What is somebody else's, such as a Secret that an orchestrator mounts, is read by being of the group.
  const others = found.uid === process.getuid?.() ? 0o044 : 0o004;
  return (found.mode & others) !== 0;
}

/** undefined for what is no key: it is told by what needs it. */
function bitsOf(pem: string, file: string): number | undefined {
  try {
    return createPublicKey(readPrivateKey(pem, file)).asymmetricKeyDetails?.modulusLength;
  } catch {
    return undefined;
  }
}
