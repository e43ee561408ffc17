/**
 * Answers clients by `git upload-pack --stateless-rpc`, one short-lived process a request. Output is streamed at the
 * client's pace; when the client goes away, or nothing moves for too long, the process and its children end.
 *
 * Why not node-git-server or git http-backend: docs/decisions/0001-git-engine.md
 */
import type { Readable } from "node:stream";
import type { GrowingFile } from "../disk/growing-file.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import { onAbort, onClose } from "../listeners.ts";
import { intoFile, intoStream, type AnswerOutput } from "./answer-output.ts";
import { clientMistake } from "./client-mistake.ts";
import type { GitEnvironments } from "./environment.ts";
import { FairQueue } from "./fair-queue.ts";
import { requireServed, unservedReason } from "./inspect.ts";
import { packet } from "./pkt-line.ts";
import type { RequestBody } from "./request-body.ts";
import { endGit, startWriting, type WritingGit } from "./run.ts";

export interface UploadPackRequest {
  readonly place: Place;
  /** The client's `Git-Protocol` header, checked by `protocolVersion`. */
  readonly protocol: string | undefined;
  /** Whose share of the places it takes: addresses, of all who wait for the one answer. */
  readonly clients: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

export interface GitAnswer {
  /** Bytes where they are in memory anyway, else a stream. */
  readonly output: Readable | Buffer;
  /** Bytes, where they are known before the end. */
  readonly size: number | undefined;
  /** Whether git ended well; known when the output has come to its end. */
  readonly succeeded: Promise<boolean>;
}

export interface UploadPack {
  /** The refs, or what a v2 server can do: the body of `GET …/info/refs`, without the service line of v0. */
  readonly advertise: (request: UploadPackRequest) => Promise<GitAnswer>;
  /** The answer to one request body, which has arrived already. */
  readonly answer: (request: UploadPackRequest & { readonly body: RequestBody }) => Promise<GitAnswer>;
  /** Processes that run now, and requests that wait for one to end. */
  readonly load: () => { readonly running: number; readonly waiting: number };
}

/** What runs git itself, and can therefore have git write to a file. */
export interface GitUploadPack extends UploadPack {
  /**
   * As `answer`, into a file, which has failed where this or `succeeded` is rejected; that it is complete is for others to say.
   * @returns when there is something in it
   * @throws OutputRefused, here and by `succeeded`, where the disk does not take it
   */
  readonly answerInto: (
    file: GrowingFile,
    request: UploadPackRequest & { readonly body: RequestBody },
  ) => Promise<Pick<GitAnswer, "succeeded">>;
}

export interface UploadPackSettings {
  readonly environments: Pick<GitEnvironments, "ownIn" | "features">;
  readonly maxProcesses: number;
  /** Requests that may wait for a process; more are told to come back. */
  readonly maxWaiting: number;
  /** Seconds without a byte in or out after which a process is ended. */
  readonly idleSeconds: number;
  /** Seconds that a process may take in all, however much moves. */
  readonly totalSeconds: number;
  /** Told what git said when it failed, and what else ended it. */
  readonly onFailure: (repository: string, stderr: string) => void;
  /** Told of requests that could not be answered for what they ask. */
  readonly onMistake: (repository: string, words: string) => void;
  /** Told of each run, as soon as it is wanted. */
  readonly onWanted: () => void;
  /** Told of each run that came to its own end: what was asked for, and what git said where it failed. */
  readonly onRun: (place: Place, asked: "refs" | "pack", failure: string | undefined) => void;
}

export function createUploadPack(settings: UploadPackSettings): GitUploadPack {
  const queue = new FairQueue(settings.maxProcesses, settings.maxWaiting);
  const serve = async (asked: Asked, output: AnswerOutput): Promise<Begun> =>
    new Promise((resolve, reject) => {
      settings.onWanted();
      // The place is taken until the process has ended, not until it has begun to answer.
      queue.run(asked.clients, asked.signal, () => run(asked, output, settings, resolve)).catch(reject);
    });
  const stream = async (asked: Asked): Promise<GitAnswer> => {
    const output = intoStream();
    const { succeeded } = await serve(asked, output);
    return { output: output.stream, size: undefined, succeeded };
  };
  return {
    advertise: async (request) => stream({ ...request, body: undefined }),
    answer: stream,
    answerInto: async (file, request) => {
      const output = intoFile(file);
      return serve(request, output).catch(async (error: unknown) => {
        // It may not have come to run.
        await output.fail(error instanceof Error ? error : gone());
        throw error;
      });
    },
    load: () => queue.load(),
  };
}

/** Without a body, the refs. */
interface Asked extends UploadPackRequest {
  readonly body: RequestBody | undefined;
}

type Begun = Pick<GitAnswer, "succeeded">;

/** `version=2` and its kin may enter the environment; anything else does not. */
export function protocolVersion(header: string | string[] | undefined): string | undefined {
  const value = [header].flat()[0];
  return value !== undefined && /^version=[0-9](?::version=[0-9])*$/.test(value) ? value : undefined;
}

/** Tells as soon as there is output, and returns when the process has ended. */
async function run(
  { place, protocol, signal, body }: Asked,
  output: AnswerOutput,
  settings: UploadPackSettings,
  onBegun: (begun: Begun) => void,
): Promise<void> {
  if (signal.aborted) throw gone();
  refuseUnserved(place, settings);
  const dir = place.realPath();
  const { env, cwd } = settings.environments.ownIn(dir);
  const args = body === undefined ? ["--advertise-refs"] : [];
  const surroundings = { env: { ...env, ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) }, cwd };
  const child = startWriting(["upload-pack", "--strict", "--stateless-rpc", ...args, dir], surroundings, output.stdout);
  const watch = watchOver(child, settings);
  const stopListening = onAbort(signal, watch.end);
  const stderr = collectStderr(child);
  const end = createEnd();
  try {
    const exit = exitOf(child);
    feed(child, body, watch.moved);
    // Either there is output, or it ends without any: a probe for authentication is answered with nothing.
    await Promise.race([output.begin(child, watch.moved, watch.end).catch(() => undefined), exit]);
    const hasOutput = output.hasBegun();
    if (hasOutput) onBegun(end);
    const { code, ended } = await exit;
    if (signal.aborted) throw gone();
    const refusal = code === 0 ? undefined : output.refusal(stderr());
    if (refusal !== undefined) throw refusal;
    const words = [watch.reason() ?? ended, stderr()].filter((text) => text !== undefined && text !== "").join(": ");
    const mistake = code === 0 || ended !== undefined ? undefined : clientMistake(stderr());
    if (mistake === "" && !hasOutput) throw new MirrorError("malformed", "that is no request of git's protocol");
    if (mistake !== undefined) settings.onMistake(place.path, mistake);
    else if (code !== 0) settings.onFailure(place.path, words);
    if (mistake === undefined && code !== null && watch.reason() === undefined)
      settings.onRun(place, isForRefs(body) ? "refs" : "pack", code === 0 ? undefined : words);
    if (code === null || (code !== 0 && mistake === undefined && !hasOutput)) throw unreadable();
    // What git had to say to its client when it failed is in the output; where it had nothing to say, this is.
    await output.end(hasOutput || code === 0 ? undefined : packet(`ERR ${mistake ?? ""}\n`));
    end.tell(code === 0);
    onBegun(end);
  } catch (cause) {
    const error = cause instanceof Error ? cause : gone();
    // Whoever has the output already must not wait for more.
    await output.fail(error);
    end.fail(error);
    throw error;
  } finally {
    watch.stop();
    stopListening();
    endGit(child);
  }
}

/** A promise of how it ends, and what keeps it. */
function createEnd(): Begun & { readonly tell: (succeeded: boolean) => void; readonly fail: (error: Error) => void } {
  let tell: (succeeded: boolean) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const succeeded = new Promise<boolean>((resolve, reject) => {
    tell = resolve;
    fail = reject;
  });
  // Who reads the output to its end sees the failure there.
  succeeded.catch(() => undefined);
  return { succeeded, tell, fail };
}

/** https://git-scm.com/docs/protocol-v2 */
function isForRefs(body: RequestBody | undefined): boolean {
  return body === undefined || body.bytes?.includes("command=ls-refs") === true;
}

function refuseUnserved(place: Place, { environments, onFailure }: UploadPackSettings): void {
  const reason = unservedReason(place, environments.features);
  if (reason === undefined) return;
  onFailure(place.path, `not served: ${reason}`);
  requireServed(place, environments.features);
}

interface Watch {
  readonly moved: () => void;
  readonly end: () => void;
  /** Why it was ended from here, if it was for taking too long. */
  readonly reason: () => string | undefined;
  readonly stop: () => void;
}

function watchOver(child: WritingGit, { idleSeconds, totalSeconds }: UploadPackSettings): Watch {
  let reason: string | undefined;
  const end = () => {
    endGit(child);
    child.stdout?.destroy();
  };
  const endFor = (why: string) => () => {
    reason = why;
    end();
  };
  const idle = setTimeout(endFor(`ended, since nothing moved for ${idleSeconds} s`), idleSeconds * 1000);
  const total = setTimeout(endFor(`ended, since it took more than ${totalSeconds} s`), totalSeconds * 1000);
  return {
    moved: () => void idle.refresh(),
    end,
    reason: () => reason,
    stop: () => {
      clearTimeout(idle);
      clearTimeout(total);
    },
  };
}

/** @returns its code, or by which signal it ended @throws MirrorError `git` where it cannot be started */
async function exitOf(child: WritingGit): Promise<{ code: number | null; ended: string | undefined }> {
  return new Promise((resolve, reject) => {
    child.once("close", (code, signal) => {
      resolve({ code, ended: signal === null ? undefined : `git was ended by ${signal}` });
    });
    child.once("error", (cause) => reject(new MirrorError("git", "git cannot be started", { cause })));
  });
}

/** Sends the request's body to git, which may answer and end before it has read everything. */
function feed(child: WritingGit, body: RequestBody | undefined, onProgress: () => void): void {
  child.stdin.on("error", () => undefined);
  if (body === undefined) {
    child.stdin.end();
    return;
  }
  const bytes = body.read();
  bytes.on("data", onProgress);
  bytes.on("error", () => endGit(child));
  onClose(child.stdin, () => bytes.destroy());
  bytes.pipe(child.stdin);
}

function collectStderr(child: WritingGit): () => string {
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (text.length < 16_384) text += chunk.toString("utf8");
  });
  return () => text.trim();
}

function unreadable(): MirrorError {
  return new MirrorError("git", "the mirror cannot read its copy of this repository; its log tells why");
}

function gone(): MirrorError {
  return new MirrorError("cancelled", "the client went away");
}
