/**
 * Where git's answer goes while it is made: into a stream, at its reader's pace; or into a file that git itself writes to, so
 * that not every byte of a pack passes through here before it lies there.
 */
import { once } from "node:events";
import { Transform } from "node:stream";
import type { Following, GrowingFile } from "../disk/growing-file.ts";
import { MirrorError } from "../errors.ts";
import { onClose } from "../listeners.ts";
import type { WritingGit } from "./run.ts";

export interface AnswerOutput {
  /** What git has for its stdout. */
  readonly stdout: "pipe" | number;
  /**
   * @param onMoved told each time that there is more
   * @param onGone told when nobody wants more
   * @returns when there is something, or never
   */
  readonly begin: (child: WritingGit, onMoved: () => void, onGone: () => void) => Promise<void>;
  /** Whether there is something, as far as git has come. */
  readonly hasBegun: () => boolean;
  /** Why git could not write, where that is no fault of git's nor of its reader's. @param stderr git's words at its end */
  readonly refusal: (stderr: string) => OutputRefused | undefined;
  /** Git has ended. @param words what remains to be said */
  readonly end: (words: string | undefined) => Promise<void>;
  /** Whoever has it already must not wait for more. */
  readonly fail: (reason: Error) => Promise<void>;
}

/** The disk does not take what git writes. */
export class OutputRefused extends MirrorError {
  constructor(stderr: string) {
    super("storage", `git cannot write its answer to a file of the cache: ${stderr}`);
  }
}

/** For git to write to a pipe, from which it is read as fast as the stream's reader takes it. */
export function intoStream(): AnswerOutput & { readonly stream: Transform } {
  let moved: () => void = () => undefined;
  const stream = new Transform({
    transform(chunk, _encoding, done) {
      moved();
      done(null, chunk);
    },
  });
  // Whoever sends the output on sees its errors; before that there is nobody to see them.
  stream.on("error", () => undefined);
  return {
    stream,
    stdout: "pipe",
    begin: async (child, onMoved, onGone) => {
      moved = onMoved;
      onClose(stream, onGone);
      child.stdout?.pipe(stream, { end: false });
      await once(stream, "readable");
    },
    hasBegun: () => stream.readableLength > 0,
    refusal: () => undefined,
    end: async (words) => void stream.end(words),
    fail: async (reason) => void stream.destroy(reason),
  };
}

/** Whoever keeps the file says when it is complete; that it has failed is said here. */
export function intoFile(file: GrowingFile): AnswerOutput {
  let following: Following | undefined;
  return {
    stdout: file.descriptor,
    begin: async (_child, onMoved) =>
      new Promise((resolve) => {
        following = file.follow(() => {
          onMoved();
          resolve();
        });
      }),
    hasBegun: () => {
      following?.look();
      return file.bytes > 0;
    },
    // Of what git writes, nothing but its stdout is a file.
    refusal: (stderr) => (/^fatal: .*\bwrite\b/m.test(stderr) ? new OutputRefused(stderr) : undefined),
    end: async (words) => {
      following?.stop();
      if (words !== undefined) await file.write(Buffer.from(words));
    },
    fail: async (reason) => {
      following?.stop();
      await file.fail(reason).catch(() => undefined);
    },
  };
}
