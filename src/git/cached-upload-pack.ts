/**
 * UploadPack with a memory: many containers ask for the same thing. Refs come from memory until they change, packs
 * from disk; what is asked for by several at once is made once. Wraps the type that it implements.
 *
 * An answer is kept under the repository's state before git ran, and only if the state was still that afterwards and
 * git ended well: whatever is found under a state is what git would say in that state.
 */
import { LRUCache } from "lru-cache";
import type { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { SharedWork } from "../disk/shared-work.ts";
import { onAbort } from "../listeners.ts";
import { AnswerStore } from "./answer-store.ts";
import { repositoryState } from "./repository-state.ts";
import { requestKey } from "./request-key.ts";
import type { GitAnswer, UploadPack, UploadPackRequest } from "./upload-pack.ts";

// 20,000 refs are 1.3 MB. Bytes.
const memorySize = 32 * 1024 * 1024;
const maxRefsSize = 8 * 1024 * 1024;
type AnswerRequest = Parameters<UploadPack["answer"]>[0];
/** @param clients all who wait for it, which grow while it waits */
type Ask = (signal: AbortSignal, clients: ReadonlySet<string>) => Promise<GitAnswer>;

/** Who asks, and until when. */
type Asking = Pick<UploadPackRequest, "clients" | "signal">;

/** Work for one answer, and all who wait for it. */
interface Flight<T> {
  readonly work: SharedWork<T>;
  readonly clients: Set<string>;
}

// After a disk error, packs are not kept for a while.
const pauseAfterFailure = 60_000;

/** A file for an answer that is not kept. @param onUnread called when its last reader has gone */
export type CreateSpool = (onUnread: () => void) => Promise<GrowingFile>;

/**
 * @param store undefined: packs are not kept, as when the cache folder cannot be written
 * @param onProblem told when the store fails; clients are served without it
 */
export function cacheUploadPack(
  inner: UploadPack,
  store: AnswerStore | undefined,
  createSpool: CreateSpool,
  onProblem: (error: unknown) => void,
): UploadPack {
  const memory = new LRUCache<string, Buffer>({ maxSize: memorySize, sizeCalculation: ({ length }) => length + 1 });
  const reading = new Map<string, Flight<Buffer>>();
  const flights = new Map<string, Flight<GrowingFile>>();
  let pausedUntil = 0;

  const storeFailed = (error: unknown) => {
    pausedUntil = Date.now() + pauseAfterFailure;
    onProblem(error);
  };

  /** Small answers, whole: from memory, or from one run of git for all who ask meanwhile. */
  async function fromMemory(key: string, asking: Asking, isCurrent: () => boolean, ask: Ask): Promise<GitAnswer> {
    const known = memory.get(key);
    if (known !== undefined) return ofBuffer(known);
    const work = join(reading, key, asking, async (stop, clients) => {
      const { bytes, succeeded } = await readAll(await ask(stop, clients));
      if (succeeded && bytes.length <= maxRefsSize && isCurrent()) memory.set(key, bytes);
      return bytes;
    });
    return ofBuffer(await work.join(asking.signal));
  }

  /** Large answers: from disk, or from one run of git whose output goes to a file that all who ask read as it grows. */
  async function fromDisk(
    kept: AnswerStore,
    key: string,
    asking: Asking,
    isCurrent: () => boolean,
    ask: Ask,
  ): Promise<GitAnswer> {
    const stored = flights.has(key) ? undefined : await kept.find(key);
    if (stored !== undefined) return { output: stored.stream, size: stored.size, succeeded: Promise.resolve(true) };
    const work: SharedWork<GrowingFile> = join(
      flights,
      key,
      asking,
      async (stop, clients) => {
        const file = await kept
          .create(() => work.stop())
          .catch((cause: unknown) => {
            storeFailed(cause);
            throw new StoreUnusable();
          });
        const answer = await ask(stop, clients).catch(async (error: unknown) => {
          await file.fail(asError(error));
          throw error;
        });
        // Whoever comes once the answer is whole finds it on disk.
        void land(
          kept,
          key,
          file,
          answer,
          isCurrent,
          () => flights.get(key)?.work === work && flights.delete(key),
        ).catch(storeFailed);
        return file;
      },
      "until told",
    );
    return ofFile(await work.join(asking.signal));
  }

  /** Not kept, and not at the client's pace either: git is done as fast as the disk takes it, and its place free. */
  async function throughFile(request: AnswerRequest): Promise<GitAnswer> {
    const stop = new AbortController();
    const file = await createSpool(() => stop.abort()).catch((error: unknown) => {
      onProblem(error);
      return undefined;
    });
    if (file === undefined) return inner.answer(request);
    const signal = AbortSignal.any([request.signal, stop.signal]);
    const answer = await inner.answer({ ...request, signal }).catch(async (error: unknown) => {
      await file.fail(asError(error));
      throw error;
    });
    const reader = ofFile(file, answer.succeeded);
    void pour(file, answer, async () => file.complete(undefined)).catch(onProblem);
    return reader;
  }

  return {
    advertise: async (request) => {
      const { place, protocol } = request;
      const state = repositoryState(place);
      if (state === undefined) return inner.advertise(request);
      const key = `${place.path}\0${protocol ?? ""}\0${state}`;
      return fromMemory(key, request, stillIn(place, state), (signal, clients) =>
        inner.advertise({ ...request, signal, clients }),
      );
    },

    answer: async (request) => {
      const { place, protocol, body } = request;
      const state = repositoryState(place);
      // Long requests tell what a client has already, and no other has the same: not worth a key.
      const keyed = body.bytes === undefined || state === undefined ? undefined : requestKey(protocol, body.bytes);
      if (state === undefined || keyed === undefined) return throughFile(request);
      const isCurrent = stillIn(place, state);
      const ask: Ask = (signal, clients) => inner.answer({ ...request, signal, clients });
      if (keyed.isRefs) return fromMemory(`${place.path}\0${keyed.key}\0${state}`, request, isCurrent, ask);
      if (store === undefined || Date.now() < pausedUntil) return throughFile(request);
      try {
        return await fromDisk(store, AnswerStore.keyOf(place.path, state, keyed.key), request, isCurrent, ask);
      } catch (error) {
        if (!(error instanceof StoreUnusable)) throw error;
        return throughFile(request);
      }
    },

    load: () => inner.load(),
  };
}

/** The work that runs under `key`, begun now if none does; forgotten when it ends, unless someone else says when. */
function join<T>(
  running: Map<string, Flight<T>>,
  key: string,
  asking: Asking,
  start: (stop: AbortSignal, clients: ReadonlySet<string>) => Promise<T>,
  forget: "at its end" | "until told" = "at its end",
): SharedWork<T> {
  const known = running.get(key);
  for (const client of asking.clients) known?.clients.add(client);
  if (known !== undefined) return known.work;
  const clients = new Set(asking.clients);
  const remove = () => running.get(key)?.work === work && running.delete(key);
  const work = new SharedWork<T>(async (stop) => {
    // Nobody may join what is about to be stopped.
    onAbort(stop, remove);
    await Promise.resolve();
    try {
      const result = await start(stop, clients);
      if (forget === "at its end") remove();
      return result;
    } catch (error) {
      remove();
      throw error;
    }
  });
  running.set(key, { work, clients });
  return work;
}

/** The cache folder cannot be written just now. */
class StoreUnusable extends Error {}

/** Keeps git's output when it is whole and still true. @throws when the disk does not take it */
async function land(
  store: AnswerStore,
  key: string,
  file: GrowingFile,
  answer: GitAnswer,
  isCurrent: () => boolean,
  onWhole: () => void,
): Promise<void> {
  try {
    await pour(file, answer, async (succeeded) => {
      const keep = succeeded && isCurrent() && store.accepts(file.bytes);
      onWhole();
      await file.complete(keep ? store.pathOf(key) : undefined);
      if (keep) store.added(key, file.bytes);
    });
  } finally {
    onWhole();
  }
}

/** Writes git's output to the file, to its end. @throws when the disk does not take it */
async function pour(
  file: GrowingFile,
  { output, succeeded }: GitAnswer,
  onEnd: (succeeded: boolean) => Promise<void>,
): Promise<void> {
  let fromGit = true;
  try {
    for await (const chunk of chunksOf(output)) {
      fromGit = false;
      await file.write(chunk);
      fromGit = true;
    }
    const hasSucceeded = await succeeded;
    fromGit = false;
    await onEnd(hasSucceeded);
  } catch (error) {
    if (!Buffer.isBuffer(output)) output.destroy();
    await file.fail(asError(error)).catch(() => undefined);
    // Git's own failures are told where git runs.
    if (!fromGit) throw error;
  }
}

function stillIn(place: Place, state: string): () => boolean {
  return () => repositoryState(place) === state;
}

async function readAll({ output, succeeded }: GitAnswer): Promise<{ bytes: Buffer; succeeded: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(output)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), succeeded: await succeeded };
}

function chunksOf(output: GitAnswer["output"]): Iterable<Buffer> | AsyncIterable<Buffer> {
  return Buffer.isBuffer(output) ? [output] : output;
}

function ofBuffer(bytes: Buffer): GitAnswer {
  return { output: bytes, size: bytes.length, succeeded: Promise.resolve(true) };
}

function ofFile(file: GrowingFile, succeeded: Promise<boolean> = Promise.resolve(true)): GitAnswer {
  return { output: file.reader(), size: undefined, succeeded };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
