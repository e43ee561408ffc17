/**
 * Answers clients by `git upload-pack --stateless-rpc`, one short-lived process a request. Output is streamed at the
 * client's pace; when the client goes away, or nothing moves for too long, the process and its children end.
 *
 * Why not node-git-server or git http-backend: docs/decisions/0001-git-engine.md
 */
import { once } from "node:events";
import { Transform, type Readable } from "node:stream";
import pLimit from "p-limit";
import { MirrorError } from "../errors.ts";
import { foreignSettings } from "./foreign-settings.ts";
import { endGit, startGit, type GitChild } from "./run.ts";

export interface UploadPackRequest {
  readonly dir: string;
  /** The client's `Git-Protocol` header, checked by `protocolVersion`. */
  readonly protocol: string | undefined;
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
  /** The answer to one request body. */
  readonly answer: (request: UploadPackRequest & { readonly body: Readable }) => Promise<GitAnswer>;
  /** Processes that run now, and requests that wait for one to end. */
  readonly load: () => { readonly running: number; readonly waiting: number };
}

export interface UploadPackSettings {
  readonly env: Readonly<Record<string, string>>;
  readonly maxProcesses: number;
  /** Requests that may wait for a process; more are told to come back. */
  readonly maxWaiting: number;
  /** Seconds without a byte in or out after which a process is ended. */
  readonly idleSeconds: number;
  /** Told what git said when it failed. */
  readonly onFailure: (dir: string, stderr: string) => void;
}

export function createUploadPack(settings: UploadPackSettings): UploadPack {
  const limit = pLimit(settings.maxProcesses);
  const serve = async (args: string[], request: UploadPackRequest, body: Readable | undefined): Promise<GitAnswer> => {
    if (limit.pendingCount >= settings.maxWaiting) {
      throw new MirrorError("busy", "too many git requests at once; try again in a moment");
    }
    return new Promise((resolve, reject) => {
      // The place is taken until the process has ended, not until it has begun to answer.
      void limit(() => run(args, request, body, settings, resolve)).catch(reject);
    });
  };
  return {
    advertise: (request) => serve(["--advertise-refs"], request, undefined),
    answer: (request) => serve([], request, request.body),
    load: () => ({ running: limit.activeCount, waiting: limit.pendingCount }),
  };
}

/** `version=2` and its kin may enter the environment; anything else does not. */
export function protocolVersion(header: string | string[] | undefined): string | undefined {
  const value = [header].flat()[0];
  return value !== undefined && /^version=[0-9](?::version=[0-9])*$/.test(value) ? value : undefined;
}

/** Hands over the output as soon as there is some, and returns when the process has ended. */
async function run(
  args: string[],
  { dir, protocol, signal }: UploadPackRequest,
  body: Readable | undefined,
  settings: UploadPackSettings,
  onAnswer: (answer: GitAnswer) => void,
): Promise<void> {
  if (signal.aborted) throw gone();
  const foreign = await foreignSettings(dir);
  if (foreign !== undefined) {
    settings.onFailure(dir, `not served: ${foreign}`);
    throw unreadable();
  }
  const env = { ...settings.env, ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) };
  const child = startGit(["upload-pack", "--strict", "--stateless-rpc", ...args, dir], env);
  const end = () => {
    endGit(child);
    child.stdout.destroy();
  };
  const idle = setTimeout(end, settings.idleSeconds * 1000);
  const output = new Transform({
    transform(chunk, _encoding, done) {
      idle.refresh();
      done(null, chunk);
    },
  });
  signal.addEventListener("abort", end, { once: true });
  output.once("close", end);
  // Whoever sends the output on sees its errors; before that there is nobody to see them.
  output.on("error", () => undefined);
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause) => reject(new MirrorError("git", "git cannot be started", { cause })));
  });
  const stderr = collectStderr(child);
  let settle: (succeeded: boolean) => void = () => undefined;
  const succeeded = new Promise<boolean>((resolve) => (settle = resolve));
  const answer: GitAnswer = { output, size: undefined, succeeded };
  try {
    const fed = feed(child, body, () => idle.refresh());
    child.stdout.pipe(output, { end: false });
    // Either there is output, or it ends without any: a probe for authentication is answered with nothing.
    await Promise.race([once(output, "readable", { signal }).catch(() => undefined), exit]);
    const hasOutput = output.readableLength > 0;
    if (hasOutput) onAnswer(answer);
    const code = await exit;
    if (signal.aborted) throw gone();
    if (fed.error !== undefined) throw fed.error;
    // No fault of this server's, and nothing for its log: anybody may send anything.
    if (code !== 0 && !hasOutput && isClientsFault.test(stderr())) throw notTheProtocol();
    if (code !== 0) settings.onFailure(dir, code === null ? "ended: nothing moved for too long" : stderr());
    if (code === 0 || (code !== null && hasOutput)) {
      // What git had to say to its client when it failed is in the output.
      settle(code === 0);
      output.end();
      onAnswer(answer);
    } else {
      throw unreadable();
    }
  } catch (error) {
    // Whoever has the output already must not wait for more.
    output.destroy(error instanceof Error ? error : gone());
    throw error;
  } finally {
    settle(false);
    clearTimeout(idle);
    signal.removeEventListener("abort", end);
    endGit(child);
  }
}

/** Sends the request's body to git. @returns where its error will be, if it has one */
function feed(child: GitChild, body: Readable | undefined, onProgress: () => void): { readonly error?: Error } {
  const fed: { error?: Error } = {};
  // Git may answer and end before it has read everything; the rest of the request is of no interest then.
  child.stdin.on("error", () => body?.unpipe(child.stdin).resume());
  if (body === undefined) {
    child.stdin.end();
    return fed;
  }
  body.on("data", onProgress);
  body.on("error", (error) => {
    const isOurs = error instanceof MirrorError;
    fed.error = isOurs ? error : new MirrorError("malformed", "the request is cut off, or not compressed as it says");
    endGit(child);
  });
  body.pipe(child.stdin);
  return fed;
}

function collectStderr(child: GitChild): () => string {
  let text = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (text.length < 16_384) text += chunk.toString("utf8");
  });
  return () => text.trim();
}

const isClientsFault =
  /^fatal: (?:git upload-pack: )?(?:protocol error|the remote end hung up|unknown capability|invalid command|unexpected )/m;

function notTheProtocol(): MirrorError {
  return new MirrorError("malformed", "that is no request of git's protocol");
}

function unreadable(): MirrorError {
  return new MirrorError("git", "the mirror cannot read its copy of this repository; its log tells why");
}

function gone(): MirrorError {
  return new MirrorError("cancelled", "the client went away");
}
