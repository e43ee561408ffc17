/**
 * UploadPack with a memory: many containers ask for the same thing. Refs come from memory until they change, packs
 * from disk; what is asked for by several at once is made once. Wraps the type that it implements.
 *
 * An answer is kept under the repository's state before git ran, and only if the state was still that afterwards and
 * git ended well: whatever is found under a state is what git would say in that state.
 */
import { Readable } from "node:stream";
import { LRUCache } from "lru-cache";
import { MirrorError } from "../errors.ts";
import { AnswerStore } from "./answer-store.ts";
import { GrowingFile } from "./growing-file.ts";
import { repositoryState } from "./repository-state.ts";
import { requestKey } from "./request-key.ts";
import type { GitAnswer, UploadPack, UploadPackRequest } from "./upload-pack.ts";

// 20,000 refs are 1.3 MB. Bytes.
const memorySize = 32 * 1024 * 1024;
const maxRefsSize = 8 * 1024 * 1024;
// Longer requests tell what a client has already, and no other has the same: not worth a key.
const maxKeyedRequest = 256 * 1024;

/** @param store undefined: packs are not kept, as when the cache folder cannot be written */
export function cacheUploadPack(inner: UploadPack, store: AnswerStore | undefined): UploadPack {
  const memory = new LRUCache<string, Buffer>({ maxSize: memorySize, sizeCalculation: ({ length }) => length + 1 });
  const reading = new Map<string, Promise<Buffer>>();
  const flights = new Map<string, Promise<GrowingFile>>();

  /** Small answers, whole: from memory, or from one run of git for all who ask meanwhile. */
  async function fromMemory(key: string, isCurrent: () => boolean, ask: () => Promise<GitAnswer>): Promise<GitAnswer> {
    const known = memory.get(key);
    if (known !== undefined) return ofBuffer(known);
    let running = reading.get(key);
    if (running === undefined) {
      running = readAll(ask, (bytes) => {
        if (isCurrent()) memory.set(key, bytes);
      }).finally(() => reading.delete(key));
      reading.set(key, running);
    }
    return ofBuffer(await running);
  }

  /** Large answers: from disk, or from one run of git whose output goes to a file that all who ask read as it grows. */
  async function fromDisk(
    kept: AnswerStore,
    key: string,
    isCurrent: () => boolean,
    ask: (signal: AbortSignal) => Promise<GitAnswer>,
  ): Promise<GitAnswer> {
    const joined = flights.get(key);
    if (joined !== undefined) return ofFlight(await joined);
    const stored = await kept.find(key);
    if (stored !== undefined) return { output: stored.stream, size: stored.size, succeeded: Promise.resolve(true) };
    // Somebody else may have begun while the disk was asked.
    let flight = flights.get(key);
    if (flight === undefined) {
      flight = takeOff(kept, key, isCurrent, ask);
      flights.set(key, flight);
      flight.catch(() => flights.delete(key));
    }
    return ofFlight(await flight);
  }

  async function takeOff(
    kept: AnswerStore,
    key: string,
    isCurrent: () => boolean,
    ask: (signal: AbortSignal) => Promise<GitAnswer>,
  ): Promise<GrowingFile> {
    const abandon = new AbortController();
    const answer = await ask(abandon.signal);
    const file = await GrowingFile.create(kept.temporaryPath(), () => {
      flights.delete(key);
      abandon.abort();
    });
    // Whoever comes once the answer is whole finds it on disk.
    void land(kept, key, file, answer, isCurrent, () => flights.delete(key));
    return file;
  }

  return {
    advertise: async (request) => {
      const state = repositoryState(request.dir);
      if (state === undefined) return inner.advertise(request);
      const key = `${request.dir}\0${request.protocol ?? ""}\0${state}`;
      return fromMemory(key, stillIn(request.dir, state), () => inner.advertise(forAll(request)));
    },

    answer: async (request) => {
      const state = repositoryState(request.dir);
      const { whole, body } = await readBody(request.body);
      const keyed = whole === undefined || state === undefined ? undefined : requestKey(request.protocol, whole);
      if (state === undefined || keyed === undefined) return inner.answer({ ...request, body });
      const isCurrent = stillIn(request.dir, state);
      if (keyed.isRefs) {
        const key = `${request.dir}\0${keyed.key}\0${state}`;
        return fromMemory(key, isCurrent, () => inner.answer({ ...forAll(request), body }));
      }
      if (store === undefined) return inner.answer({ ...request, body });
      const key = AnswerStore.keyOf(request.dir, state, keyed.key);
      return fromDisk(store, key, isCurrent, (signal) => inner.answer({ ...request, signal, body }));
    },

    load: () => inner.load(),
  };
}

/** Writes git's output to the file; keeps it when it is whole and still true. */
async function land(
  store: AnswerStore,
  key: string,
  file: GrowingFile,
  { output, succeeded }: GitAnswer,
  isCurrent: () => boolean,
  onWhole: () => void,
): Promise<void> {
  try {
    for await (const chunk of chunksOf(output)) await file.write(chunk);
    const keep = (await succeeded) && isCurrent() && store.accepts(file.bytes);
    onWhole();
    await file.complete(keep ? store.pathOf(key) : undefined);
    if (keep) store.added(key, file.bytes);
  } catch (error) {
    onWhole();
    if (!Buffer.isBuffer(output)) output.destroy();
    await file.fail(error instanceof Error ? error : new Error(String(error))).catch(() => undefined);
  }
}

/** A request on behalf of everyone who waits: one client that goes away must not end it. */
function forAll(request: UploadPackRequest): UploadPackRequest {
  return { dir: request.dir, protocol: request.protocol, signal: new AbortController().signal };
}

function stillIn(dir: string, state: string): () => boolean {
  return () => repositoryState(dir) === state;
}

async function readAll(ask: () => Promise<GitAnswer>, keep: (bytes: Buffer) => void): Promise<Buffer> {
  const { output, succeeded } = await ask();
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(output)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if ((await succeeded) && bytes.length <= maxRefsSize) keep(bytes);
  return bytes;
}

/** The request's body, whole when it is short; else as a stream of what was read and what is to come. */
async function readBody(body: Readable): Promise<{ whole: Buffer | undefined; body: Readable }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const rest = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  try {
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      chunks.push(next.value);
      size += next.value.length;
      if (size > maxKeyedRequest) return { whole: undefined, body: Readable.from(chain(chunks, rest)) };
    }
  } catch (error) {
    if (error instanceof MirrorError) throw error;
    throw new MirrorError("malformed", "the request is cut off, or not compressed as it says");
  }
  const whole = Buffer.concat(chunks);
  return { whole, body: Readable.from([whole]) };
}

async function* chain(chunks: readonly Buffer[], rest: AsyncIterableIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
  yield* rest;
}

function chunksOf(output: GitAnswer["output"]): Iterable<Buffer> | AsyncIterable<Buffer> {
  return Buffer.isBuffer(output) ? [output] : output;
}

function ofBuffer(bytes: Buffer): GitAnswer {
  return { output: bytes, size: bytes.length, succeeded: Promise.resolve(true) };
}

function ofFlight(file: GrowingFile): GitAnswer {
  return { output: file.reader(), size: undefined, succeeded: Promise.resolve(true) };
}
