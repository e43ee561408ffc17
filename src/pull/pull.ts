/**
 * A mirror that fetches what is asked of it and not held. Order of the wiring: 1 whom to ask, and who is left alone; 2 what
 * brings things into the mirror, and signs what has come; 3 what is asked for, kind by kind. docs/decisions/0016-pull-through.md
 */
import { access, constants } from "node:fs/promises";
import { createHash, randomBytes, type KeyObject } from "node:crypto";
import { openHexSources } from "../artifacts/hex-sources.ts";
import type { Kinds } from "../artifacts/kinds.ts";
import { createLanding } from "../artifacts/landing.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { GrowingFile } from "../disk/growing-file.ts";
import { leadsTo } from "../git/asked-url.ts";
import type { GitEnvironments } from "../git/environment.ts";
import { hexpm, organisationOf, signedName } from "../names/hex-repository.ts";
import { fileJobs } from "../plan/files.ts";
import type { TakeTools } from "../artifacts/take-record.ts";
import type { NamedRelease } from "../options.ts";
import { build, type SigningKey } from "../registry/build.ts";
import { createOwnNames } from "../registry/own-names.ts";
import { silentReporter } from "../reporter.ts";
import { folderSource, type Source } from "../serve/source.ts";
import { registryName, type Context } from "../store/context.ts";
import { watchKnownLocks } from "../store/known-locks.ts";
import { loadSigningKey } from "../store/signing-key.ts";
import type { UpstreamKey } from "../upstream/hex-repositories.ts";
import { onlyPublic } from "../upstream/guarded-lookup.ts";
import { lazy } from "../lazy.ts";
import { installersKey } from "../upstream/installers.ts";
import { namedHosts, pulledHosts, type NamingKey } from "../upstream/named-hosts.ts";
import { openUpstreams, type AskingKey } from "../upstream/upstreams.ts";
import { Asked } from "./asked.ts";
import { createAsking, type UnderWay } from "./asking.ts";
import type { Bringer } from "./bringer.ts";
import { createFilesPull } from "./files.ts";
import { createGitPull, type GitPull } from "./git.ts";
import { createGitWay } from "./git-way.ts";
import { createHexPull } from "./hex.ts";
import { HostsAway, type AwayHost } from "./hosts-away.ts";
import { createOtherMirror } from "./other-mirror.ts";
import { createInstallersPull } from "./installers.ts";
import { watchUses } from "./uses.ts";
import { createPoliciesPull, policyAsked } from "./policies.ts";
import { bringPrivately, createIsPrivate } from "./private-repositories.ts";
import { createMayPull, type MayPullKey } from "./may-pull.ts";

export type PullKey =
  | AskingKey
  | MayPullKey
  | NamingKey
  | SigningKey
  | UpstreamKey
  | "buildsPublicKey"
  | "gitRefs"
  | "local"
  | "maxAge"
  | "maxItemSize"
  | "name"
  | "port"
  | "pullPrivate"
  | "requireToken"
  | "tlsPort"
  | "upstreamKey"
  | "upstreamTimeout";

export interface PullTools {
  readonly kinds: Kinds;
  readonly gitEnvironments: () => Promise<GitEnvironments>;
  readonly withdraw: TakeTools["withdraw"];
  /** A folder of this process that is not there yet. */
  readonly scratch: Place;
  /** Told when something has come. */
  readonly onGrown: () => void;
}

export interface Pull {
  readonly source: Source;
  readonly git: GitPull["inFrontOf"];
  /** Hosts that are asked besides those that something is held of. */
  readonly hosts: readonly string[];
  /** Whether a request with such a `Via` is one of ours that came back. */
  readonly isOwnRequest: (via: string) => boolean;
  /** Writes down when what is held was last used. */
  readonly saveUses: () => Promise<void>;
  /** What cannot be done, for health. */
  readonly problems: () => readonly string[];
  /** Who does not answer, likewise. */
  readonly away: () => readonly AwayHost[];
  /** What is fetched just now. */
  readonly underWay: () => readonly UnderWay[];
  /** When what has passed to clients so far is held, or will not be. */
  readonly made: () => Promise<void>;
  /** Ends what is under way, signs what has come, and writes down when what was asked for. */
  readonly close: () => Promise<void>;
}

// Milliseconds: what has come is part of the registry by then.
const signEvery = 1000;
// Most who ask have gone on before what they asked for has its place, and ask for more meanwhile. Milliseconds.
const gather = 25;
// Milliseconds that the end of a server waits for the writers' lock.
const closeWithin = 5000;

export async function openPull(context: Context<PullKey>, tools: PullTools): Promise<Pull> {
  const { config, paths, reporter } = context;
  if (config.pullPrivate.length > 0 && config.requireToken === undefined) {
    const why = "shows what is private to whoever reaches this mirror; guard it with --require-token FILE";
    throw new MirrorError("config", `--pull-private ${why}`);
  }
  const { kinds, gitEnvironments, withdraw } = tools;
  const stopping = new AbortController();
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const running = { ...context, signal };

  // 1
  const away = new HostsAway((text) => reporter.warn(text));
  const asking = createAsking(away, config.upstreamTimeout, tools.onGrown);
  const asked = await Asked.open(paths.cache, paths.mirror);
  const hosts = new Set(namedHosts(config, []));
  const id = `mirror-server-${randomBytes(8).toString("hex")}`;
  const via = `1.1 ${id}`;
  const upstreams = openUpstreams(running, hosts, {
    lasting: { via, onBegin: (host) => away.ask(host), onSign: (host) => away.hear(host) },
  });

  // 2
  const key = await signingKey(running);
  const keeps = key !== undefined && (await isWritable(paths.mirror)) && (await isWritable(paths.hex));
  // As anybody, but for organisations that the operator named.
  const sources = openHexSources({ ...running, config: { ...config, tokens: new Map() } }, { asAnybody: true });
  const ownSources = openHexSources(running);
  const onSigned = async () => {
    tools.onGrown();
    for (const opened of [sources, ownSources]) {
      for (const { error } of await opened.close(async (work) => work())) reporter.warn(describeError(error));
    }
  };
  // What has come is signed, although the program is asked to stop.
  const lasting = new AbortController();
  const landing = createLanding({ ...context, signal: lasting.signal }, { gather, signEvery, onSigned });
  const known = watchKnownLocks(paths);
  const { land } = landing;
  const bringer: Bringer = {
    ...upstreams,
    hex: sources,
    gitEnvironments,
    known,
    reporter,
    signal,
    land,
    paths,
    keeps,
    withdraw,
    publish: async () => {
      if (landing.isBehind()) await landing.sign(new Map());
    },
  };

  // 3
  const current = { asking, asked };
  const { maxAge, buildsUrl } = config;
  const folders = folderSource(paths);
  const ownNames = createOwnNames(paths, { local: config.local });
  const problems: string[] = [];
  const hex = await openHex(hexpm);
  const organisations = new Map<string, typeof hex>();
  for (const repository of config.pullPrivate.filter((each) => organisationOf(each) !== undefined)) {
    organisations.set(`/repos/${organisationOf(repository) ?? ""}`, await openHex(repository));
  }
  const ofOrganisation = (path: string) => {
    const [, place = "", rest = ""] = /^(\/repos\/[^/]+)(\/.*)$/.exec(path) ?? [];
    const pulled = organisations.get(place);
    return pulled === undefined ? folders.registry(path) : pulled.registry(rest);
  };
  const policies = createPoliciesPull({
    ...current,
    bringer,
    policies: kinds.policies,
    maxAge,
    others: config.repos.map(({ name }) => name),
    sourcesOf: (repository) => (config.pullPrivate.includes(repository) ? ownSources : sources),
  });
  const installers = createInstallersPull({
    ...current,
    bringer,
    maxAge,
    buildsUrl,
    kept: paths.cache.at(`pulled/${nameOf(buildsUrl)}`),
    readKey: async () => installersKey(config),
  });
  const listed = fileJobs(config.files);
  const allowed = new Set(pulledHosts(config, await known()));
  const files = createFilesPull({
    ...current,
    bringer,
    files: kinds.files,
    listed,
    mayPull: (host) => allowed.has(host),
    upstream: config.upstream,
  });
  // By the operator's own logins, for what the operator named.
  const privately = lazy(() => openUpstreams(running, hosts));
  const way = createGitWay({ proxies: config.proxy, mayConnect: onlyPublic(hosts), via });
  const git = createGitPull({
    ...current,
    bringer,
    way,
    requireMayPull: createMayPull(config, { hosts: allowed, known }),
    isSelf: leadsTo(
      ["app_deps", ...config.name],
      [config.port, ...(config.tlsPort === undefined ? [] : [config.tlsPort])],
    ),
    maxAge,
    upstream: config.upstream,
    timeout: config.upstreamTimeout,
    maxSize: config.maxItemSize,
    onMade: tools.onGrown,
    // A rule of the user's own git leads there.
    onRuled: (host) => hosts.add(host),
    isPrivate: createIsPrivate(config.pullPrivate),
    bringPrivately: async (names) => bringPrivately(names, kinds.repositories, { ...bringer, ...privately() }),
    mayRefresh: config.gitRefs === "all",
    createFile: async (onUnread) => {
      const { scratchPlace } = await gitEnvironments();
      return GrowingFile.create(scratchPlace().path, onUnread);
    },
  });
  return {
    hosts: [...allowed],
    git: git.inFrontOf,
    source: watchUses(paths, asked, {
      registry: async (path) => {
        const policy = policyAsked(path);
        if (policy !== undefined) return policies({ ...policy, face: "own" });
        if (path.startsWith("/repos/")) return ofOrganisation(path);
        if (path.startsWith("/installs/")) return installers(path.slice("/installs/".length));
        return (hex ?? folders).registry(path);
      },
      upstream: async (path) => {
        const policy = policyAsked(path);
        if (policy !== undefined) return policies({ ...policy, face: "upstream" });
        return (path.startsWith("/repos/") ? folders : (hex ?? folders)).upstream(path);
      },
      file: files,
    }),
    isOwnRequest: (given) => given.includes(id),
    saveUses: async () => asked.save().catch(() => undefined),
    problems: () => problems,
    away: () => away.list(),
    underWay: asking.underWay,
    made: git.made,
    close: async () => {
      stopping.abort();
      // Another process may hold the writers' lock for long; whoever has it next signs what is noted.
      const patience = setTimeout(() => lasting.abort(), closeWithin);
      await git.close();
      await asking.settled();
      await Promise.all([hex, ...organisations.values()].map(async (each) => each?.settled()));
      await way.close();
      await bringer.publish().catch((error: unknown) => reporter.warn(describeError(error)));
      for (const opened of [sources, ownSources]) await opened.close(landing.land).catch(() => undefined);
      clearTimeout(patience);
      await asked.save().catch(() => undefined);
      await upstreams.close();
      if (config.pullPrivate.length > 0) await privately().close();
    },
  };

  function otherMirror() {
    const { upstream: url, upstreamKey } = config;
    if (url === undefined || upstreamKey === undefined || !keeps) return undefined;
    const adopt = async (release: NamedRelease) => {
      await build({ ...context, reporter: silentReporter }, { adopt: [release] });
    };
    return createOtherMirror({ ...current, bringer, maxAge, url, key: upstreamKey, adopt });
  }

  /** undefined where the settings do not say whom to ask, or not in a way that this mirror trusts: then what is held is served. */
  async function openHex(repository: string) {
    try {
      const source = await (repository === hexpm ? sources : ownSources).open(repository);
      const signedAs = repository === hexpm ? await registryName(running) : signedName(repository);
      const below = repository === hexpm ? "" : `-${signedName(repository)}`;
      return createHexPull(source, {
        ...current,
        bringer,
        maxAge,
        ownNames,
        other: repository === hexpm ? otherMirror() : undefined,
        signer: key === undefined ? undefined : { key, repository: signedAs },
        // Looked at for each answer, so the way to it is short.
        scratch: repository === hexpm ? tools.scratch : tools.scratch.at(`repos/${signedName(repository)}`),
        kept: paths.cache.at(`pulled/${nameOf(config.hexUrl)}${below}`),
        documentation: kinds.documentation,
      });
    } catch (error) {
      problems.push(`packages of ${repository} are not fetched: ${describeError(error)}`);
      reporter.warn(`packages of ${repository} are not fetched, and served as they are held: ${describeError(error)}`);
      return undefined;
    }
  }
}

/** undefined where there is none that may sign: the registry then is what is held. */
async function signingKey({ paths, reporter }: Context): Promise<KeyObject | undefined> {
  const why = "so what clients ask for is passed on as upstream signed it, at repo.hex.pm, and not kept";
  if (!paths.privateKey.isFile()) {
    reporter.warn(`the registry's key is not here, ${why}`);
    return undefined;
  }
  return loadSigningKey(paths, false).catch((error: unknown) => {
    reporter.warn(`${describeError(error)}; ${why}`);
    return undefined;
  });
}

async function isWritable(place: Place): Promise<boolean> {
  return access(place.path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** `https://repo.hex.pm` → `repo.hex.pm-0f1e…`: what is kept of one upstream is not taken for another's. */
function nameOf(url: string): string {
  const { hostname } = new URL(url);
  return `${hostname.replace(/[^a-z0-9.-]/gi, "_")}-${createHash("sha256").update(url).digest("hex").slice(0, 16)}`;
}
