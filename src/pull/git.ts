/**
 * Git, as clients ask for it, from what is held and from upstream. Of the same type as what it stands in front of.
 *
 *   not held        the answer passes on from upstream; the first whole pack that passes begins the mirror, and the rest is
 *                   fetched after it. Who asks meanwhile waits for the mirror a little, then is passed on as well, two at once
 *   held            its refs are refreshed when they are old, and objects that a client wants and that are not here are
 *                   fetched before the answer
 */
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError, describeError } from "../errors.ts";
import { publicUrl } from "../git/asked-url.ts";
import { BareRepository } from "../git/bare-repository.ts";
import { beginRepository } from "../git/begun-repository.ts";
import { readFetchRequest, type FetchRequest } from "../git/fetch-request.ts";
import type { RequestBody } from "../git/request-body.ts";
import { repositoryState } from "../git/repository-state.ts";
import { onClose } from "../listeners.ts";
import { repositoryKey } from "../plan/repositories.ts";
import { notHeld, type FindRepository, type GitAsking, type GitReply, type GitSource } from "../serve/git-source.ts";
import type { Mark } from "../serve/source.ts";
import { gitUrlThrough } from "../upstream/through.ts";
import type { Bringer } from "./bringer.ts";
import { currentOf, type CurrentTools } from "./current.ts";
import { createGitPassage, type OnPassed } from "./git-passage.ts";
import { bringForClient } from "./git-repositories.ts";
import type { GitWay } from "./git-way.ts";
import type { RequireMayPull } from "./may-pull.ts";

export interface GitPullTools extends CurrentTools {
  readonly bringer: Bringer;
  readonly way: GitWay;
  readonly requireMayPull: RequireMayPull;
  /** Another mirror that is asked instead of the hosts; undefined: they are asked. */
  readonly upstream: string | undefined;
  /** Whether a URL leads to this mirror. */
  readonly isSelf: (url: string) => boolean;
  /** Seconds. */
  readonly maxAge: number;
  /** Seconds that a client waits for others' work. */
  readonly timeout: number;
  /** Bytes of one repository. */
  readonly maxSize: number;
  /** Told of hosts that settings of the user's git lead to. */
  readonly onRuled: (host: string) => void;
  /** Told when a new one is here. */
  readonly onMade: () => void;
  /** Whether one is fetched by the operator's own login. */
  readonly isPrivate: (names: Pick<GitAsking, "host" | "path">) => boolean;
  readonly bringPrivately: (names: Pick<GitAsking, "host" | "path">) => Promise<void>;
  /** Whether repositories that are held get all heads and tags of upstream's. */
  readonly mayRefresh: boolean;
  /** A file for what passes. */
  readonly createFile: (onUnread: () => void) => Promise<GrowingFile>;
}

export interface GitPull {
  readonly inFrontOf: (held: GitSource, find: FindRepository) => GitSource;
  /** When what is being made is here, or will not be. */
  readonly made: () => Promise<void>;
  /** Ends what is being made. */
  readonly close: () => Promise<void>;
}

// Refs move more often than records. Seconds.
const maxAgeOfRefs = 60;
// New repositories that are made at once; others are passed on, and made when they are asked for again.
const maxNew = 4;
// Answers of one repository that pass on at once while its mirror is made.
const maxPassing = 2;
// What upstream does not have is not asked for again for so long. Milliseconds.
const absentFor = 60_000;
// Bytes: a hundred thousand refs.
const maxRequest = 8 * 1024 * 1024;
// Ids that are known to be here, of all repositories.
const maxTips = 1_000_000;
// Objects that a client wants and that are not here: more are no commits of a lock.
const maxMissing = 50;

/** One that is not here yet. */
interface Making {
  /** When it is here, or will not be. */
  readonly done: Promise<void>;
  /** Answers that pass on meanwhile. */
  passing: number;
}

type Names = Pick<GitAsking, "host" | "path">;
type Answering = GitAsking & { readonly body: RequestBody };

export function createGitPull(tools: GitPullTools): GitPull {
  const { bringer, asking, asked, requireMayPull, way, isSelf, timeout, maxSize, mayRefresh } = tools;
  const { paths, reporter } = bringer;
  const stopping = new AbortController();
  const signal = AbortSignal.any([bringer.signal, stopping.signal]);
  const making = new Map<string, Making>();
  const urls = new LRUCache<string, string>({ max: 1000 });
  const tips = new LRUCache<string, ReadonlySet<string>>({ maxSize: maxTips, sizeCalculation: ({ size }) => size + 1 });
  const told = new LRUCache<string, true>({ max: 1000 });
  const passage = createGitPassage({ http: bringer.http, createFile: tools.createFile, signal, maxSize });
  const bring = async (
    names: Names,
    url: string,
    place: Place,
    more: { wants?: readonly string[]; begun?: Place } = {},
  ) =>
    bringForClient(
      { ...names, url, place, wants: more.wants ?? [], ...(more.begun === undefined ? {} : { begun: more.begun }) },
      { bringer: { ...bringer, signal }, way, maxSize },
    );

  /** @throws MirrorError `refused` for one that leads here again */
  const urlOf = async ({ host, path }: Names): Promise<string> => {
    const usual = `https://${host}/${path}.git`;
    const known = urls.get(usual);
    if (known !== undefined) return known;
    const through = gitUrlThrough(tools.upstream, { host, path });
    const url = through ?? (await publicUrl((await bringer.gitEnvironments()).upstream(), usual));
    if (isSelf(url))
      throw new MirrorError("refused", `${usual} leads to this mirror itself, which has it from nowhere then`);
    const { hostname } = new URL(url);
    if (hostname !== host) tools.onRuled(hostname.replace(/^\[|\]$/g, ""));
    urls.set(usual, url);
    return url;
  };

  const made = async (): Promise<void> => {
    await Promise.all([...making.values()].map(async ({ done }) => done));
  };

  return {
    inFrontOf: (held, find) => ({
      advertise: async (request) => {
        const place = await find(request.host, request.path);
        if (place !== undefined) {
          asked.used(repositoryKey(request));
          const { mark, since } = await refresh(request, place);
          return { ...(await held.advertise(request)), mark, ...(since === undefined ? {} : { since }) };
        }
        if (tools.isPrivate(request) && bringer.keeps) {
          const { host, path } = request;
          const work = async () => tools.bringPrivately({ host, path });
          await asking.bring({ key: keyOf(request), host, work });
          asked.set(refsKeyOf(request));
          return { ...(await held.advertise(request)), mark: "miss" };
        }
        const url = await upstreamOf(request);
        if (await isMadeMeanwhile(request, find)) return { ...(await held.advertise(request)), mark: "miss" };
        const shared = { ...request, signal };
        const key = `git-list ${url} ${request.protocol ?? ""}`;
        const answer = await fromUpstream(request, url, key, async () => passage.advertise(shared, url));
        return { answer, mark: "passed", hasServiceLine: true };
      },
      answer: async (request) => {
        const { protocol, body } = request;
        const place = await find(request.host, request.path);
        if (place !== undefined) {
          const wanted = body.bytes === undefined ? undefined : readFetchRequest(protocol, body.bytes);
          const isBrought = wanted !== undefined && (await bringMissing(request, place, wanted));
          const reply = await held.answer(request);
          return isBrought ? { ...reply, mark: "miss" } : reply;
        }
        const url = await upstreamOf(request);
        // A request for all of many refs is long, and has to be known for what it is.
        const whole = { ...request, body: await withBytes(body) };
        const wanted = whole.body.bytes === undefined ? undefined : readFetchRequest(protocol, whole.body.bytes);
        const isShared = passage.isPassing(whole, url);
        const waits = wanted !== undefined && !isShared;
        if (waits && (await isMadeMeanwhile(request, find))) return { ...(await held.answer(request)), mark: "miss" };
        return pass(whole, url, wanted);
      },
    }),
    made,
    close: async () => {
      stopping.abort();
      await made();
    },
  };

  /** Whom to ask for one that is not held. @throws MirrorError where nobody is to be asked */
  async function upstreamOf(names: Names): Promise<string> {
    await requireMayPull(names);
    const answer = asked.get(keyOf(names));
    if (answer?.isAbsent === true && Date.now() - answer.at < absentFor) throw notHeld(names.host, names.path);
    return urlOf(names);
  }

  async function isMadeMeanwhile(names: Names, find: FindRepository): Promise<boolean> {
    const made = making.get(repositoryKey(names));
    if (made === undefined) return false;
    await Promise.race([made.done, sleep(timeout * 1000, undefined, { ref: false })]);
    return (await find(names.host, names.path)) !== undefined;
  }

  async function fromUpstream<T>(names: Names, url: string, key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await asking.bring({ key, host: new URL(url).host, work });
    } catch (error) {
      if (error instanceof MirrorError && error.code === "not_found") asked.set(keyOf(names), { isAbsent: true });
      throw error;
    }
  }

  async function pass(request: Answering, url: string, wanted: FetchRequest | undefined): Promise<GitReply> {
    const made = making.get(repositoryKey(request));
    // Who asks for what passes already has a share of it, and takes no place.
    if (made !== undefined && !passage.isPassing(request, url)) await turnToPass(made, request);
    if (made !== undefined) made.passing += 1;
    const left = () => {
      if (made !== undefined) made.passing -= 1;
    };
    try {
      const keep = () => (wanted === undefined ? undefined : keepPassed(request, url, wanted));
      const key = `git-pass ${randomUUID()}`;
      const answer = await fromUpstream(request, url, key, async () => passage.answer(request, url, keep));
      if (Buffer.isBuffer(answer.output)) left();
      else onClose(answer.output, left);
      return { answer, mark: "passed" };
    } catch (error) {
      left();
      throw error;
    }
  }

  /** Until the mirror is made, or there is a place. */
  async function turnToPass(made: Making, { signal: client }: Answering): Promise<void> {
    const isOver = async () => made.done.then(() => true);
    while (made.passing >= maxPassing) {
      client.throwIfAborted();
      if (await Promise.race([isOver(), sleep(100, false, { ref: false })])) return;
    }
  }

  /** Makes the mirror of what passes; undefined where somebody does already, or nothing is to be kept. */
  function keepPassed(request: Answering, url: string, wanted: FetchRequest): OnPassed | undefined {
    const key = repositoryKey(request);
    const { host, path } = request;
    const place = paths.repository(host, path);
    if (!bringer.keeps || making.has(key) || making.size >= maxNew) return undefined;
    let settle: () => void = () => undefined;
    making.set(key, { done: new Promise((resolve) => (settle = resolve)), passing: 0 });
    const make = async (answer: Readable, isWhole: boolean): Promise<void> => {
      const names = { host, path };
      const begun = place.temporary();
      try {
        const isBegun = wanted.isWhole && isWhole && (await isBegunAt(begun, answer, wanted));
        answer.destroy();
        if (signal.aborted) return;
        const work = async () => bring(names, url, place, isBegun ? { begun } : {});
        await asking.bring({ key: `git ${key}`, host: new URL(url).host, work });
        asked.set(refsKeyOf(names));
        tools.onMade();
      } catch (error) {
        if (!signal.aborted)
          reporter.warn(`is passed on, and not kept: ${describeError(error)}`, { kind: "git", host, path });
      } finally {
        answer.destroy();
        await begun.remove().catch(() => undefined);
        making.delete(key);
        settle();
      }
    };
    // The client need not wait for it.
    return (answer, isWhole) => void make(answer, isWhole);
  }

  /** Whether there is a repository with all that was asked for; without it the mirror is made of nothing. */
  async function isBegunAt(begun: Place, answer: Readable, wanted: FetchRequest): Promise<boolean> {
    const environments = await (await bringer.gitEnvironments()).asNobody([]);
    const bounded = upTo(answer, maxSize);
    return beginRepository(begun, bounded, wanted, { environments, signal }).then(
      () => true,
      async (error: unknown) => {
        await begun.remove();
        if (error instanceof MirrorError && error.code === "too_large") throw error;
        return false;
      },
    );
  }

  /** One that is held: asks for news of its refs where they are old. */
  async function refresh(
    names: Names,
    place: Place,
  ): Promise<{ readonly mark: Mark; readonly since?: number | undefined }> {
    const { host, path } = names;
    // One that has just been made is packed, or one whose refs are not all upstream's.
    const isMade = making.has(repositoryKey(names));
    if (!bringer.keeps || !mayRefresh || isMade || place.at("shallow").isFile()) return { mark: "hit" };
    const isPrivate = tools.isPrivate(names);
    const url = isPrivate ? `https://${host}` : await upstreamOf(names).catch(() => undefined);
    if (url === undefined) return { mark: "hit" };
    return currentOf<Place>(
      {
        key: refsKeyOf(names),
        host: new URL(url).host,
        maxAge: Math.min(tools.maxAge, maxAgeOfRefs),
        held: async () => place,
        refresh: async () => {
          await (isPrivate ? tools.bringPrivately({ host, path }) : bring(names, url, place));
          return place;
        },
        onRefused: (why) => {
          // Such as one that only those may read who synced it.
          if (told.has(keyOf(names))) return;
          told.set(keyOf(names), true);
          reporter.note(`is served as it is held: ${why}`, { kind: "git", host, path });
        },
      },
      tools,
    );
  }

  /** @returns whether something had to be fetched @throws MirrorError `away` where it cannot be asked for */
  async function bringMissing(request: Answering, place: Place, { wants }: FetchRequest): Promise<boolean> {
    if (!bringer.keeps || tools.isPrivate(request)) return false;
    const missing = await missingOf(place, wants);
    if (missing.length === 0 || missing.length > maxMissing) return false;
    const url = await upstreamOf(request).catch(() => undefined);
    const key = `git-want ${repositoryKey(request)} ${missing.join()}`;
    const answer = asked.get(key);
    if (url === undefined || (answer?.isAbsent === true && Date.now() - answer.at < absentFor)) return false;
    const { host, path } = request;
    const work = async () => bring({ host, path }, url, place, { wants: missing });
    try {
      await asking.bring({ key, host: new URL(url).host, work });
    } catch (error) {
      if (error instanceof MirrorError && error.code === "away") throw error;
      // Git itself says best that it has no such thing.
      reporter.note(`lacks what a client wants, and cannot be asked for it: ${describeError(error)}`, {
        kind: "git",
        host,
        path,
      });
    }
    const isHere = (await missingOf(place, missing)).length === 0;
    if (!isHere) asked.set(key, { isAbsent: true });
    return isHere;
  }

  /** Those of the objects that are not here. */
  async function missingOf(place: Place, wants: readonly string[]): Promise<readonly string[]> {
    const key = `${place.path}\0${repositoryState(place) ?? ""}`;
    const environments = await bringer.gitEnvironments();
    const repository = BareRepository.open(place, { environments, signal });
    const known = tips.get(key) ?? new Set((await repository.refs()).values());
    tips.set(key, known);
    const unknown = wants.filter((id) => !known.has(id));
    if (unknown.length === 0) return [];
    const lines = await repository.run(["cat-file", "--batch-check"], {
      input: unknown.map((id) => `${id}\n`).join(""),
    });
    return unknown.filter((_id, index) => lines.split("\n")[index]?.endsWith(" missing") === true);
  }
}

/** With its bytes in memory, unless there are more than a request for all refs has. */
async function withBytes(body: RequestBody): Promise<RequestBody> {
  if (body.bytes !== undefined) return body;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body.read() as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxRequest) return body;
    chunks.push(chunk);
  }
  return { ...body, bytes: Buffer.concat(chunks) };
}

/** @throws MirrorError `too_large` */
async function* upTo(answer: AsyncIterable<Buffer>, maxSize: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of answer) {
    size += chunk.length;
    if (size > maxSize) throw new MirrorError("too_large", "it is larger than --max-item-size");
    yield chunk;
  }
}

function keyOf(names: Names): string {
  return `git ${repositoryKey(names)}`;
}

function refsKeyOf(names: Names): string {
  return `refs ${repositoryKey(names)}`;
}
