/**
 * What `/health` tells. The registry is read as a client reads it, signature included, but only when a file of it has
 * changed: containers poll every few seconds.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "../errors.ts";
import { exists } from "../files.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodeNames, decodeVersions } from "../hex/records.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import type { Health } from "../serve/app.ts";
import { readIfPresent } from "../store/atomic.ts";
import { listRepositories, listTarballs, type HeldRepository } from "../store/inventory.ts";
import type { StorePaths } from "../store/paths.ts";
import { version } from "../version.ts";

interface RegistryState {
  readonly packages: number;
  readonly releases: number;
  readonly problem: string | undefined;
}

export function createHealthCheck(paths: StorePaths, started: number): () => Promise<Health> {
  let stamp = "";
  let state: RegistryState = { packages: 0, releases: 0, problem: undefined };

  return async () => {
    const now = await stampOf(paths);
    if (now !== stamp) {
      state = await readRegistry(paths);
      stamp = now;
    }
    const repositories = await listRepositories(paths);
    const broken = await brokenRepositories(repositories);
    const problems = [...(state.problem === undefined ? [] : [state.problem]), ...broken];
    return {
      status: state.problem !== undefined ? "unhealthy" : broken.length > 0 ? "degraded" : "ok",
      version,
      uptime_s: Math.floor((Date.now() - started) / 1000),
      hex: { packages: state.packages, releases: state.releases },
      git: { repositories: repositories.length },
      problems,
    };
  };
}

async function stampOf(paths: StorePaths): Promise<string> {
  const stamps = ["names", "versions", "public_key", "tarballs"].map(async (resource) =>
    stat(paths.hex(resource)).then(
      ({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`,
      () => "-",
    ),
  );
  return (await Promise.all(stamps)).join(" ");
}

async function readRegistry(paths: StorePaths): Promise<RegistryState> {
  try {
    const pem = await readIfPresent(paths.hex("public_key"));
    const names = await readIfPresent(paths.hex("names"));
    const versions = await readIfPresent(paths.hex("versions"));
    if (pem === undefined || names === undefined || versions === undefined) {
      const isEmpty = pem === undefined && names === undefined && (await listTarballs(paths)).length === 0;
      const problem = isEmpty ? undefined : 'the registry is not signed yet, or not whole; run "mirror-server build"';
      return { packages: 0, releases: 0, problem };
    }
    const key = readPublicKey(pem.toString("utf8"), "public_key");
    decodeNames(verifyAndUnwrap(names, key));
    const { packages } = decodeVersions(verifyAndUnwrap(versions, key));
    const releases = packages.reduce((sum, entry) => sum + entry.versions.length, 0);
    return { packages: packages.length, releases, problem: undefined };
  } catch (error) {
    return { packages: 0, releases: 0, problem: `the registry cannot be served: ${describeError(error)}` };
  }
}

/** Named by host and path: clients need not know where the folder lies on the server. */
async function brokenRepositories(repositories: readonly HeldRepository[]): Promise<string[]> {
  const problems = await Promise.all(
    repositories.map(async ({ host, path, dir }) => {
      const parts = await Promise.all(["HEAD", "objects", "refs"].map((name) => exists(join(dir, name))));
      return parts.every(Boolean)
        ? undefined
        : `the copy of https://${host}/${path} is no whole git repository; delete it and sync again`;
    }),
  );
  return problems.filter((problem) => problem !== undefined);
}
