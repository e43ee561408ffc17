/**
 * UploadPack with a memory: many containers ask for the same thing. Refs come from memory until they change, packs
 * from disk; what is asked for by several at once is made once. Wraps the type that it implements.
 *
 * An answer is kept under the repository's state before git ran, and only if the state was still that afterwards and
 * git ended well: whatever is found under a state is what git would say in that state.
 */
import type { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { TurnMemory } from "../disk/turn.ts";
import { OutputRefused } from "./answer-output.ts";
import { AnswerStore } from "./answer-store.ts";
import type { Ask } from "./flights.ts";
import { ofFile, whenFilled } from "./git-answers.ts";
import { createKeptPacks, type Fill } from "./kept-packs.ts";
import { createRefsMemory } from "./refs-memory.ts";
import { repositoryState } from "./repository-state.ts";
import { requestKey } from "./request-key.ts";
import type { GitAnswer, GitUploadPack, UploadPack } from "./upload-pack.ts";

type AnswerRequest = Parameters<UploadPack["answer"]>[0];

/** A file for an answer that is not kept. @param onUnread called when its last reader has gone */
export type CreateSpool = (onUnread: () => void) => Promise<GrowingFile>;

/**
 * @param store undefined: packs are not kept, as when the cache folder cannot be written
 * @param onProblem told when the disk fails; clients are served without it
 */
export function cacheUploadPack(
  inner: GitUploadPack,
  store: AnswerStore | undefined,
  createSpool: CreateSpool,
  onProblem: (error: unknown) => void,
): UploadPack {
  const refs = createRefsMemory();
  const inTurn = new TurnMemory<string>();
  const stateOf = (place: Place): string | undefined => {
    const known = inTurn.get(place.path);
    if (known !== undefined) return known;
    const state = repositoryState(place);
    return state === undefined ? undefined : inTurn.set(place.path, state);
  };
  const packs = store === undefined ? undefined : createKeptPacks(store, onProblem);
  const spooled = async (request: AnswerRequest) => throughFile(inner, request, createSpool, onProblem);
  return {
    advertise: async (request) => {
      const { place, protocol } = request;
      const state = stateOf(place);
      if (state === undefined) return inner.advertise(request);
      const key = `${place.path}\0${protocol ?? ""}\0${state}`;
      return refs(key, request, stillIn(place, state), (signal, clients) =>
        inner.advertise({ ...request, signal, clients }),
      );
    },

    answer: async (request) => {
      const { place, protocol, body } = request;
      const state = stateOf(place);
      // Long requests tell what a client has already, and no other has the same: not worth a key.
      const keyed = body.bytes === undefined || state === undefined ? undefined : requestKey(protocol, body.bytes);
      if (state === undefined || keyed === undefined) return spooled(request);
      const isCurrent = stillIn(place, state);
      if (keyed.isRefs) {
        const ask: Ask = (signal, clients) => inner.answer({ ...request, signal, clients });
        return refs(`${place.path}\0${keyed.key}\0${state}`, request, isCurrent, ask);
      }
      if (packs?.isUsable() !== true) return spooled(request);
      const key = AnswerStore.keyOf(place.path, state, keyed.key);
      const fill: Fill = (file, signal, clients) => inner.answerInto(file, { ...request, signal, clients });
      return (await packs.answer(key, request, isCurrent, fill)) ?? spooled(request);
    },

    load: () => inner.load(),
  };
}

/** Looks again: git has run since. */
function stillIn(place: Place, state: string): () => boolean {
  return () => repositoryState(place) === state;
}

/** Not kept, and not at the client's pace either: git is done as fast as the disk takes it, and its place free. */
async function throughFile(
  inner: GitUploadPack,
  request: AnswerRequest,
  createSpool: CreateSpool,
  onProblem: (error: unknown) => void,
): Promise<GitAnswer> {
  const stop = new AbortController();
  const file = await createSpool(() => stop.abort()).catch((error: unknown) => {
    onProblem(error);
    return undefined;
  });
  if (file === undefined) return inner.answer(request);
  const signal = AbortSignal.any([request.signal, stop.signal]);
  const filled = await inner.answerInto(file, { ...request, signal }).catch((error: unknown) => {
    // A request that was read from a connection can be read only once.
    if (!(error instanceof OutputRefused) || request.body.bytes === undefined) throw error;
    onProblem(error);
    return undefined;
  });
  if (filled === undefined) return inner.answer(request);
  const reader = ofFile(file, filled.succeeded);
  void whenFilled(file, filled, async () => file.complete(undefined)).catch(onProblem);
  return reader;
}
