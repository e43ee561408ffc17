/**
 * Looks at all of a mirror in another folder, such as one that was just laid out: as `verify --deep` of its own locks does, and
 * as a server looks at what it lists. Nothing of it is remembered.
 */
import { filesBelow, listFiles } from "../disk/walk.ts";
import { hashFile } from "../artifacts/hash-file.ts";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { makeScratch } from "../disk/scratch.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { Overlook } from "../health/overlook.ts";
import type { Problem } from "../health/problem.ts";
import { readKnownLocks } from "../store/known-locks.ts";
import type { Context } from "../store/context.ts";
import { readFileChecksums } from "../store/file-checksums.ts";
import { listRepositories } from "../store/inventory.ts";
import { StorePaths, type StoreFolders } from "../store/paths.ts";
import type { Finding, VerifyResult } from "./findings.ts";
import { openKinds, type KindKey } from "./kinds.ts";
import { verify } from "./verify.ts";

/** The settings that this look needs. */
export type ElsewhereKey = VerifyKey | KindKey | keyof StoreFolders;
type VerifyKey = Parameters<typeof verify>[0] extends Context<infer Key> ? Key : never;

const ofRegistry: ReadonlySet<Problem["kind"]> = new Set(["registry", "record", "tarball"]);

/** What the settings here want is not what that mirror is for. */
const nothingBesides: Pick<Config, "packages" | "policies" | "files" | "docs" | "lists" | "installers" | "artefacts"> =
  {
    packages: [],
    policies: [],
    files: [],
    docs: false,
    lists: false,
    installers: undefined,
    artefacts: false,
  };

/** @param folders of that mirror */
export async function verifyElsewhere(
  context: Context<ElsewhereKey>,
  folders: Omit<StoreFolders, "cacheDir" | "certsDir">,
  gitEnvironments: () => Promise<GitEnvironments>,
): Promise<VerifyResult> {
  const scratch = await makeScratch();
  try {
    const own = { cacheDir: scratch.place().path, certsDir: scratch.place().path };
    const config = { ...context.config, ...folders, ...own, ...nothingBesides };
    const there = { ...context, config, paths: new StorePaths(config) };
    const locks = await readKnownLocks(there.paths).catch((cause: unknown) => {
      throw new MirrorError("integrity", "one of its known locks cannot be read", { cause });
    });
    const result = await verify(there, () => openKinds(there, { gitEnvironments }), locks, {
      deep: true,
      dryRun: true,
    });
    const found = await listedAmiss(there.paths, gitEnvironments);
    const isNew = ({ subject }: Problem) =>
      result.quarantined?.every(({ path }) => !path.endsWith(`/${subject}`)) !== false;
    const uncovered = [...(await unrecorded(there.paths)), ...(await otherThanNamed(there.paths))];
    const damaged = [...result.damaged, ...found.filter(isNew).map(asFinding), ...uncovered];
    return { ...result, damaged, ok: result.ok && damaged.length === 0 };
  } finally {
    await scratch.remove();
  }
}

async function listedAmiss(paths: StorePaths, gitEnvironments: () => Promise<GitEnvironments>): Promise<Problem[]> {
  const overlook = new Overlook(paths, (await gitEnvironments()).features);
  try {
    return (await overlook.once()).problems.filter(({ kind }) => ofRegistry.has(kind));
  } finally {
    overlook.close();
  }
}

/** Other files that nothing vouches for: a server would give them to whoever asks. */
async function unrecorded(paths: StorePaths): Promise<Finding[]> {
  const checksums = await readFileChecksums(paths).catch(() => new Map<string, unknown>());
  const known = new Set([...checksums.keys()].map((key) => key.replaceAll(":", "%3A")));
  const others = (await listFiles(paths.filesDir)).filter((path) => !known.has(path));
  return others.map((path) => ({
    item: { kind: "place", path: `files/${path}` },
    reason: "files.json has no record of it",
  }));
}

/** Git LFS: each is called by what it hashes to. */
async function otherThanNamed(paths: StorePaths): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { host, path, place } of await listRepositories(paths)) {
    for await (const file of filesBelow(place.at("lfs/objects"), true)) {
      if ((await hashFile(file)) === file.name) continue;
      found.push({ item: { kind: "lfs", host, path, oid: file.name }, reason: "its SHA-256 is another" });
    }
  }
  return found;
}

function asFinding({ subject, text }: Problem): Finding {
  const start = `${subject} `;
  return { item: { kind: "place", path: subject }, reason: text.startsWith(start) ? text.slice(start.length) : text };
}
