/** Where git's answers come from: the mirror's repositories, or, where a mirror pulls, from upstream by way of them (pull/). */
import type { Place } from "../disk/place.ts";
import { TurnMemory } from "../disk/turn.ts";
import { MirrorError } from "../errors.ts";
import type { RequestBody } from "../git/request-body.ts";
import type { GitAnswer, UploadPack } from "../git/upload-pack.ts";
import type { Mark } from "./source.ts";

export interface GitAsking {
  readonly host: string;
  /** `owner/repo`, checked by names/git-url. */
  readonly path: string;
  /** As of `UploadPackRequest`, and the next two. */
  readonly protocol: string | undefined;
  readonly clients: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

export interface GitReply {
  readonly answer: GitAnswer;
  readonly mark: Mark;
  /** As of `Located`. */
  readonly since?: number | undefined;
  /** Whether the service line of older protocols stands in it already. */
  readonly hasServiceLine?: true;
}

export interface GitSource {
  /** @throws MirrorError `not_found` */
  readonly advertise: (asking: GitAsking) => Promise<GitReply>;
  readonly answer: (asking: GitAsking & { readonly body: RequestBody }) => Promise<GitReply>;
}

/** @returns where the bare repository lies, undefined when it is not mirrored */
export type FindRepository = (host: string, path: string) => Promise<Place | undefined>;

/** What is held, and nothing else. */
export function heldGit(findRepository: FindRepository, uploadPack: UploadPack): GitSource {
  const inTurn = new TurnMemory<Held>();
  const find = async ({ host, path }: GitAsking): Promise<Held> => {
    const key = `${host}/${path}`;
    const known = inTurn.get(key);
    if (known !== undefined) return known;
    const place = await findRepository(host, path);
    if (place === undefined) throw notHeld(host, path);
    return inTurn.set(key, { place, since: place.look()?.mtimeMs });
  };
  return {
    advertise: async (asking) => {
      const { place, since } = await find(asking);
      return { answer: await uploadPack.advertise({ ...asking, place }), mark: "hit", since };
    },
    answer: async (asking) => {
      const { place, since } = await find(asking);
      return { answer: await uploadPack.answer({ ...asking, place }), mark: "hit", since };
    },
  };
}

interface Held {
  readonly place: Place;
  /** Milliseconds since 1970. */
  readonly since: number | undefined;
}

export function notHeld(host: string, path: string): MirrorError {
  return new MirrorError(
    "not_found",
    `https://${host}/${path} is not in this mirror. Online, run the same command in "mirror-server exec --pull --", which ` +
      'fetches it, or "mirror-server sync" where a lock names it.',
  );
}
