/**
 * Git's answers that come from upstream, for a repository that is not here yet. Who asks for the same at the same time gets the
 * same answer, as far as it has come: it crosses the line once, into a file, and out of it at each client's pace.
 */
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { LRUCache } from "lru-cache";
import type { GrowingFile } from "../disk/growing-file.ts";
import { MirrorError } from "../errors.ts";
import { Flights } from "../git/flights.ts";
import { asError, ofBuffer, ofFile } from "../git/git-answers.ts";
import { requestKey, type RequestKey } from "../git/request-key.ts";
import type { GitAnswer } from "../git/upload-pack.ts";
import type { HttpClient } from "../upstream/http.ts";
import type { Passage } from "../upstream/passage.ts";
import { redactUrl } from "../names/git-url.ts";
import { upstreamTrouble } from "../upstream/trouble.ts";
import type { GitAsking } from "../serve/git-source.ts";
import type { RequestBody } from "../git/request-body.ts";

/**
 * Told when an answer has passed, with all of it once more.
 * @param isWhole whether it came to its end
 */
export type OnPassed = (answer: Readable, isWhole: boolean) => void;

export interface GitPassage {
  /** The refs, or what the server can do. @throws MirrorError `not_found` where there is none for everybody */
  readonly advertise: (asking: GitAsking, url: string) => Promise<GitAnswer>;
  /** Whether an answer to the same passes on just now. */
  readonly isPassing: (asking: GitAsking & { readonly body: RequestBody }, url: string) => boolean;
  /** @param keep who wants an answer once more, of which several clients may have a share; undefined: nobody does */
  readonly answer: (
    asking: GitAsking & { readonly body: RequestBody },
    url: string,
    keep: () => OnPassed | undefined,
  ) => Promise<GitAnswer>;
}

export interface GitPassageTools {
  readonly http: Pick<HttpClient, "pass">;
  readonly createFile: (onUnread: () => void) => Promise<GrowingFile>;
  /** Ends what is on its way. */
  readonly signal: AbortSignal;
  /** Bytes of one answer. */
  readonly maxSize: number;
}

// How long a list of refs is given to who asks next. Milliseconds.
const listFor = 5000;
// Bytes, of one and of all.
const maxList = 16 * 1024 * 1024;
const maxLists = 64 * 1024 * 1024;

export function createGitPassage({ http, createFile, signal, maxSize }: GitPassageTools): GitPassage {
  const lists = new LRUCache<string, Buffer>({
    maxSize: maxLists,
    sizeCalculation: ({ length }) => length + 1,
    ttl: listFor,
    ttlAutopurge: true,
  });
  const reading = new Flights<Buffer>();
  const passing = new Flights<GrowingFile>();
  /** Where a redirect led, by the URL that was asked. */
  const moved = new LRUCache<string, string>({ max: 1000 });

  const list = async (key: string, asking: GitAsking, ask: () => Promise<Passage>): Promise<GitAnswer> => {
    const known = lists.get(key);
    if (known !== undefined) return ofBuffer(known);
    const work = reading.join(key, asking, async () => {
      const bytes = await readAll(requireAnswer(await ask(), asking));
      lists.set(key, bytes);
      return bytes;
    });
    return ofBuffer(await work.join(asking.signal));
  };
  const post = async ({ protocol, body }: Parameters<GitPassage["answer"]>[0], url: string): Promise<Passage> =>
    http.pass(`${moved.get(url) ?? url}/git-upload-pack`, {
      method: "POST",
      headers: {
        "content-type": "application/x-git-upload-pack-request",
        accept: "application/x-git-upload-pack-result",
        ...(protocol === undefined ? {} : { "git-protocol": protocol }),
      },
      body: () => body.bytes ?? body.read(),
      signal,
    });

  return {
    advertise: async (asking, url) =>
      list(`${url}\0${asking.protocol ?? ""}`, asking, async () => {
        const { protocol } = asking;
        const first = `${url}/info/refs?service=git-upload-pack`;
        const headers = protocol === undefined ? {} : { "git-protocol": protocol };
        const passage = await http.pass(first, { method: "GET", headers, signal });
        const [base = url, query] = passage.url.split("/info/refs?");
        if (query !== undefined && base !== url) moved.set(url, base);
        return passage;
      }),
    isPassing: (asking, url) => {
      const keyed = keyOf(asking);
      return keyed !== undefined && passing.has(`${url}\0${keyed.key}`);
    },
    answer: async (asking, url, keep) => {
      const keyed = keyOf(asking);
      if (keyed?.isRefs === true) return list(`${url}\0${keyed.key}`, asking, async () => post(asking, url));
      const begin = async (forget: () => void): Promise<GrowingFile> => {
        const passage = requireAnswer(await post(asking, url), asking);
        const file = await createFile(() => {
          forget();
          // Nobody wants it any more.
          passage.body.destroy();
        }).catch((error: unknown) => {
          passage.body.destroy();
          throw error;
        });
        const onPassed = keep();
        // What is read of it later holds it until then.
        const again = onPassed === undefined ? undefined : file.reader();
        void pour(passage, file, { maxSize, forget }).then((isWhole) => {
          if (again !== undefined) onPassed?.(again, isWhole);
        });
        return file;
      };
      const key = `${url}\0${keyed?.key ?? randomUUID()}`;
      const work = passing.join(key, asking, async (_stop, _clients, { forget }) => begin(forget), "until told");
      return ofFile(await work.join(asking.signal));
    },
  };
}

function keyOf({ body, protocol }: GitAsking & { readonly body: RequestBody }): RequestKey | undefined {
  return body.bytes === undefined ? undefined : requestKey(protocol, body.bytes);
}

interface Pouring {
  readonly maxSize: number;
  /** Called before nobody can join it any more. */
  readonly forget: () => void;
}

/** @returns whether it came to its end; it does so whoever still reads it */
async function pour({ body }: Passage, file: GrowingFile, { maxSize, forget }: Pouring): Promise<boolean> {
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (file.bytes + chunk.length > maxSize) throw new MirrorError("too_large", "it is larger than --max-item-size");
      await file.write(chunk);
    }
    forget();
    await file.complete(undefined);
    return true;
  } catch (error) {
    forget();
    await file.fail(asError(error)).catch(() => undefined);
    return false;
  }
}

async function readAll({ body, url }: Passage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxList) throw new MirrorError("too_large", "upstream's list of refs is too large");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    body.destroy();
    if (error instanceof MirrorError) throw error;
    const { host } = new URL(url);
    throw upstreamTrouble({ kind: "cut", host }, `the transfer of ${redactUrl(url)} broke`, error);
  }
}

/** @throws MirrorError where it is none of git's: what is not for everybody is not there */
function requireAnswer(passage: Passage, { host, path }: GitAsking): Passage {
  const { status, headers, body } = passage;
  const isGits = /^application\/x-git-upload-pack-(?:advertisement|result)\b/.test(headers["content-type"] ?? "");
  if (status === 200 && isGits) return passage;
  body.destroy();
  const shown = `https://${host}/${path}`;
  if ([401, 403, 404, 410].includes(status)) {
    throw new MirrorError(
      "not_found",
      `${shown} is not there, or not for everybody: upstream says so (status ${status})`,
    );
  }
  if (status === 200) throw new MirrorError("upstream", `who answers for ${shown} is no git server`);
  throw new MirrorError("upstream", `upstream answered for ${shown} with status ${status}`);
}
