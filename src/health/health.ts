/**
 * What `/health` tells: the state of what is held (overlook.ts), and of what a server needs besides. From memory, as fresh as
 * that allows: containers poll every few seconds.
 */
import { describeError } from "../errors.ts";
import { roomAt, type Room } from "../disk/room.ts";
import { hexpm } from "../names/hex-repository.ts";
import { foreignEntries } from "../store/foreign-entries.ts";
import type { StorePaths } from "../store/paths.ts";
import type { Fingerprints, Trust } from "../store/trust.ts";
import { printable } from "../text.ts";
import { version } from "../version.ts";
import { hidingPaths } from "./hidden-paths.ts";
import type { Overlook } from "./overlook.ts";
import { linesOf, type Problem, type ProblemKind } from "./problem.ts";

export interface Health {
  readonly status: "ok" | "degraded" | "unhealthy";
  readonly version: string;
  readonly uptime_s: number;
  /** `repositories`: those besides hexpm, as locks call them. */
  readonly hex: { readonly packages: number; readonly releases: number; readonly repositories: readonly string[] };
  /** `hosts`: those that the mirror stands in for. */
  readonly git: { readonly repositories: number; readonly hosts: readonly string[] };
  readonly fingerprints: Fingerprints;
  /** Days until the server's certificate ends; null: it shows none, as where only HTTP is served. */
  readonly certificate: { readonly ends: string; readonly days_left: number; readonly is_renewed: boolean } | null;
  /** Of the disk that the mirror lies on; null: that cannot be told. */
  readonly disk: { readonly free_bytes: number; readonly total_bytes: number } | null;
  /** Hosts that are asked, and do not answer just now. */
  readonly upstreams_away: readonly AwayUpstream[];
  /** Seconds since every file was looked at; null: that is not done yet. */
  readonly looked_at_all_s: number | null;
  readonly problems: readonly string[];
}

export interface AwayUpstream {
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
  readonly reason: string;
}

/** A certificate, as health tells of it. */
export interface ShownCertificate {
  readonly validTo: Date;
  readonly isRenewable: boolean;
  readonly problem: string | undefined;
}

export interface HealthSources {
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly overlook: Pick<Overlook, "now">;
  /** The hosts that are stood in for. */
  readonly hosts: () => readonly string[];
  readonly trust: () => Promise<Trust>;
  /** Whether it serves what is brought to it from elsewhere, and is to be asked only once all of that is there. */
  readonly isReplica: boolean;
  /** What is wrong with the processes that answer, if anything. */
  readonly workersProblem: () => string | undefined;
  /** What is wrong with the last sync of what is watched, if anything. */
  readonly watchProblem: () => string | undefined;
  readonly certificate: () => ShownCertificate | undefined;
  /** What cannot be fetched at all of what may be asked for. */
  readonly pullProblems: () => readonly string[];
  readonly upstreamsAway: () => readonly AwayUpstream[];
}

const foreignEverySeconds = 30;
const roomEverySeconds = 10;
// Bytes: what a large repository takes.
const littleRoom = 256 * 1024 * 1024;

export interface HealthReport extends Health {
  /** What the sentences are made of. */
  readonly causes: readonly Problem[];
}

export function createHealthCheck(paths: StorePaths, sources: HealthSources): () => Promise<HealthReport> {
  const { started, overlook, hosts, trust } = sources;
  const hide = hidingPaths(paths);
  const foreign = nowAndThen(foreignEverySeconds, async () => foreignEntries(paths));
  const arrival = sources.isReplica ? untilWhole(paths) : () => [];
  const room = nowAndThen(roomEverySeconds, async () => roomAt(paths.mirror));

  return async () => {
    const { registries, repositories, problems, lookedAt } = await overlook.now();
    const links = (await foreign().catch(() => [])).map(({ shown, why }) =>
      degraded("link", shown, `${shown} ${why}, and is not used`),
    );
    const { fingerprints, problems: disagreements } = await trust().catch((error: unknown) => noTrust(error));
    const disk = await room();
    const certificate = sources.certificate();
    const away = sources.upstreamsAway();
    const all: Problem[] = [
      ...problems,
      ...arrival(problems),
      ...links,
      ...(disagreements.length === 0 ? [] : [degraded("trust", "mirror.json", disagreement)]),
      ...told("worker", sources.workersProblem()),
      ...told("watch", sources.watchProblem()),
      ...told("certificate", certificate?.problem),
      ...told("disk", disk === undefined ? undefined : roomProblem(disk)),
      ...sources.pullProblems().map((text) => degraded("upstream", text, text)),
      ...away.map(({ host, since, reason }) =>
        degraded("upstream", host, `${host} does not answer since ${since}: ${reason}`),
      ),
    ];
    const isUnhealthy = all.some(({ severity }) => severity === "unhealthy");
    return {
      status: isUnhealthy ? "unhealthy" : all.length > 0 ? "degraded" : "ok",
      version,
      uptime_s: Math.floor((Date.now() - started) / 1000),
      hex: {
        packages: sum(registries.map(({ packages }) => packages)),
        releases: sum(registries.map(({ releases }) => releases)),
        repositories: registries.map(({ repository }) => repository).filter((name) => name !== hexpm),
      },
      git: { repositories: repositories.length, hosts: [...hosts()].sort() },
      fingerprints,
      certificate: certificate === undefined ? null : certificateFacts(certificate),
      disk: disk === undefined ? null : { free_bytes: disk.free, total_bytes: disk.total },
      upstreams_away: away,
      looked_at_all_s: lookedAt === undefined ? null : Math.max(0, Math.round((Date.now() - lookedAt) / 1000)),
      problems: linesOf(all).map((text) => printable(hide(text))),
      causes: all,
    };
  };
}

const ofContent: ReadonlySet<ProblemKind> = new Set(["registry", "record", "tarball", "repository", "unserved"]);

/**
 * A replica that was never whole is not asked yet: its mirror is on the way. Once it was, a part that is damaged is no reason
 * to give nothing of the rest.
 */
function untilWhole(paths: StorePaths): (problems: readonly Problem[]) => Problem[] {
  let wasWhole = false;
  return (problems) => {
    // Even an empty mirror has its lists.
    const holdsAny = paths.registry(hexpm).resource("names").isFile();
    const amiss = problems.filter(({ kind, isWish }) => ofContent.has(kind) && isWish !== true).length;
    wasWhole ||= holdsAny && amiss === 0;
    if (wasWhole) return [];
    const what = holdsAny ? `is not whole yet (${amiss} things of it are missing or damaged)` : "is not here yet";
    return [
      {
        kind: "folder",
        severity: "unhealthy",
        subject: "replica",
        text: `the mirror that this replica serves ${what}`,
      },
    ];
  };
}

const disagreement =
  'mirror.json and upstream/ do not agree about whose records are trusted; run "mirror-server verify"';

/** What bars the way to it is told as such; that it is barred is told here. */
function noTrust(error: unknown): Trust {
  return { fingerprints: { registry: undefined, ca: undefined, upstreams: {} }, problems: [describeError(error)] };
}

function degraded(kind: ProblemKind, subject: string, text: string): Problem {
  return { kind, severity: "degraded", subject, text };
}

function told(kind: ProblemKind, text: string | undefined): Problem[] {
  return text === undefined ? [] : [degraded(kind, kind, text)];
}

function roomProblem({ free }: Room): string | undefined {
  return free >= littleRoom ? undefined : `the mirror's disk has ${Math.floor(free / 1024 / 1024)} MiB left`;
}

function certificateFacts({ validTo, isRenewable }: ShownCertificate): Health["certificate"] {
  const days = Math.floor((validTo.getTime() - Date.now()) / 86_400_000);
  return { ends: validTo.toISOString(), days_left: days, is_renewed: isRenewable };
}

/** What takes a walk through the whole mirror, or tells of slow things, however often health is asked for. */
function nowAndThen<T>(seconds: number, work: () => Promise<T>): () => Promise<T> {
  let began = Number.NEGATIVE_INFINITY;
  let found: Promise<T> | undefined;
  return () => {
    const now = performance.now();
    if (found === undefined || now - began > seconds * 1000) {
      began = now;
      const mine = work();
      found = mine;
      // What failed is tried again by whoever asks next.
      mine.catch(() => {
        if (found === mine) found = undefined;
      });
    }
    return found;
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
