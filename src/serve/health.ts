/**
 * What `/health` tells. The registry is read as a client reads it, signature included, but only when a file of it has
 * changed: containers poll every few seconds.
 */
import { shareNext } from "../disk/share-next.ts";
import { describeError } from "../errors.ts";
import { unservedReason, type GitFeatures } from "../git/inspect.ts";
import { readPublicKey } from "../hex/keys.ts";
import { decodeNames, decodeVersions } from "../hex/records.ts";
import { hexpm, servedName } from "../names/hex-repository.ts";
import { verifyAndUnwrap } from "../hex/signed.ts";
import type { Health } from "./health-routes.ts";
import { listRegistries, listTarballs, watchRepositories, type HeldRepository } from "../store/inventory.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import type { StorePaths } from "../store/paths.ts";
import type { RegistryPaths } from "../store/registry-paths.ts";
import { printable } from "../text.ts";
import { version } from "../version.ts";
import type { Trust } from "../store/trust.ts";

const foreignEverySeconds = 30;

interface RegistryState {
  readonly packages: number;
  readonly releases: number;
  readonly problem: string | undefined;
}

export interface HealthSources {
  /** Milliseconds since 1970. */
  readonly started: number;
  /** The hosts that are stood in for. */
  readonly hosts: () => readonly string[];
  /** What the git here can do. */
  readonly features: GitFeatures;
  readonly trust: () => Promise<Trust>;
  /** What is wrong with the processes that answer, if anything. */
  readonly workersProblem: () => string | undefined;
  /** What is wrong with the last sync of what is watched, if anything. */
  readonly watchProblem: () => string | undefined;
  /** What is wrong with the certificate, if anything. */
  readonly certificateProblem: () => string | undefined;
  /** What cannot be fetched just now of what is asked for. */
  readonly pullProblems: () => readonly string[];
}

export function createHealthCheck(
  paths: StorePaths,
  { started, hosts, features, trust, workersProblem, watchProblem, certificateProblem, pullProblems }: HealthSources,
): () => Promise<Health> {
  let stamp = "";
  let state: RegistryState = { packages: 0, releases: 0, problem: undefined };
  const foreign = watchForeign(paths);
  const held = watchRepositories(paths);

  return shareNext(async () => {
    const registries = await listRegistries(paths);
    const now = stampOf(registries);
    if (now !== stamp) {
      state = sum(await Promise.all(registries.map(readRegistry)));
      stamp = now;
    }
    // Where the way to them is barred there are none, and the bar is told.
    const repositories = await held().catch(() => []);
    const unserved = unservedRepositories(repositories, features);
    const links = await foreign.list();
    const trusted = await trust();
    const disagreement =
      trusted.problems.length === 0
        ? []
        : ['mirror.json and upstream/ do not agree about whose records are trusted; run "mirror-server verify"'];
    const ofServer = [workersProblem(), watchProblem(), certificateProblem()].filter(
      (problem) => problem !== undefined,
    );
    const lesser = [...unserved, ...links, ...disagreement, ...ofServer, ...pullProblems()];
    const problems = [...(state.problem === undefined ? [] : [state.problem]), ...lesser];
    return {
      status: state.problem !== undefined ? "unhealthy" : lesser.length > 0 ? "degraded" : "ok",
      version,
      uptime_s: Math.floor((Date.now() - started) / 1000),
      hex: {
        packages: state.packages,
        releases: state.releases,
        repositories: registries.map(({ repository }) => repository).filter((name) => name !== hexpm),
      },
      git: { repositories: repositories.length, hosts: [...hosts()].sort() },
      fingerprints: trusted.fingerprints,
      problems: problems.map(printable),
    };
  });
}

/** A walk through the whole mirror: now and then is enough, however often health is asked for. */
function watchForeign(paths: StorePaths): { list: () => Promise<string[]> } {
  let looked = Number.NEGATIVE_INFINITY;
  let found: Promise<string[]> = Promise.resolve([]);
  return {
    list: () => {
      const now = Date.now();
      if (now - looked > foreignEverySeconds * 1000) {
        looked = now;
        found = foreignEntries(paths).then((entries) =>
          entries.map(({ shown, why }) => `${shown} ${why}, and is not used`),
        );
      }
      return found;
    },
  };
}

function stampOf(registries: readonly RegistryPaths[]): string {
  const files = registries.flatMap((registry) =>
    ["names", "versions", "public_key", "tarballs"].map((resource) => registry.resource(resource)),
  );
  const stamps = files.map((file) => {
    const isThere = file.isFile() || file.isFolder();
    const found = isThere ? file.look() : undefined;
    return found === undefined ? "-" : `${found.mtimeMs}/${found.size}/${found.ino}`;
  });
  return stamps.join(" ");
}

function sum(states: readonly RegistryState[]): RegistryState {
  return {
    packages: states.reduce((total, { packages }) => total + packages, 0),
    releases: states.reduce((total, { releases }) => total + releases, 0),
    problem: states.find(({ problem }) => problem !== undefined)?.problem,
  };
}

/** As a client reads it, signature included. */
export async function readRegistry(registry: RegistryPaths): Promise<RegistryState> {
  const served = servedName(registry.repository);
  const shown = served === undefined ? "the registry" : `the registry /repos/${served}`;
  try {
    const pem = await registry.publicKey.read();
    const names = await registry.resource("names").read();
    const versions = await registry.resource("versions").read();
    if (pem === undefined || names === undefined || versions === undefined) {
      const isEmpty = pem === undefined && names === undefined && (await listTarballs(registry)).length === 0;
      const problem = isEmpty ? undefined : `${shown} is not signed yet, or not whole; run "mirror-server build"`;
      return { packages: 0, releases: 0, problem };
    }
    const key = readPublicKey(pem.toString("utf8"), "public_key");
    decodeNames(verifyAndUnwrap(names, key));
    const { packages } = decodeVersions(verifyAndUnwrap(versions, key));
    const releases = packages.reduce((total, entry) => total + entry.versions.length, 0);
    return { packages: packages.length, releases, problem: undefined };
  } catch (error) {
    return { packages: 0, releases: 0, problem: `${shown} cannot be served: ${describeError(error)}` };
  }
}

/** Named by host and path: clients need not know where the folder lies on the server. */
function unservedRepositories(repositories: readonly HeldRepository[], features: GitFeatures): string[] {
  return repositories.flatMap(({ host, path, place }) => {
    const reason = unservedReason(place, features)?.replaceAll(place.path, path);
    return reason === undefined ? [] : [`the copy of https://${host}/${path} is not served, since ${reason}`];
  });
}
