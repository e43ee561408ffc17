/** Git's answers on their way: into memory, into a file that others read as it grows, and out of both. */
import type { GrowingFile } from "../disk/growing-file.ts";
import type { GitAnswer } from "./upload-pack.ts";

export async function readAll({ output, succeeded }: GitAnswer): Promise<{ bytes: Buffer; succeeded: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(output)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), succeeded: await succeeded };
}

/** Writes git's output to the file, to its end. @throws when the disk does not take it */
export async function pour(
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
