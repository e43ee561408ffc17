/** Git's answers on their way: into memory, in a file that others read as it grows, and out of both. */
import type { GrowingFile } from "../disk/growing-file.ts";
import { OutputRefused } from "./answer-output.ts";
import type { GitAnswer } from "./upload-pack.ts";

export async function readAll({ output, succeeded }: GitAnswer): Promise<{ bytes: Buffer; succeeded: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(output)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), succeeded: await succeeded };
}

/**
 * What is done with a file that git has filled. Git's own failures are told where git runs; the file has failed then.
 * @throws when the disk does not take it
 */
export async function whenFilled(
  file: GrowingFile,
  { succeeded }: Pick<GitAnswer, "succeeded">,
  onEnd: (succeeded: boolean) => Promise<void>,
): Promise<void> {
  let hasSucceeded: boolean;
  try {
    hasSucceeded = await succeeded;
  } catch (error) {
    if (error instanceof OutputRefused) throw error;
    return;
  }
  await onEnd(hasSucceeded).catch(async (error: unknown) => {
    await file.fail(asError(error)).catch(() => undefined);
    throw error;
  });
}

export function ofBuffer(bytes: Buffer): GitAnswer {
  return { output: bytes, size: bytes.length, succeeded: Promise.resolve(true) };
}

export function ofFile(file: GrowingFile, succeeded: Promise<boolean> = Promise.resolve(true)): GitAnswer {
  return { output: file.reader(), size: undefined, succeeded };
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function chunksOf(output: GitAnswer["output"]): Iterable<Buffer> | AsyncIterable<Buffer> {
  return Buffer.isBuffer(output) ? [output] : output;
}
