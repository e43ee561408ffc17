/** The files that the configuration lists: fetched once, with redirects followed, and from then on compared. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import pLimit from "p-limit";
import { FileIndex } from "../disk/file-index.ts";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import type { HttpClient } from "../fetch/http.ts";
import type { FileJob } from "../plan/files.ts";
import { readFileChecksums, writeFileChecksums, type FileChecksums } from "../store/file-checksums.ts";
import { transferOf, type Context } from "./context.ts";

// Release assets may be large; an answer without end must not fill the disk. Bytes.
const maxFileSize = 8 * 1024 ** 3;

export async function syncFiles(context: Context, jobs: readonly FileJob[], http: HttpClient): Promise<void> {
  if (jobs.length === 0) return;
  const { paths, config, reporter, signal } = context;
  const checksums = await readFileChecksums(paths);
  const index = await FileIndex.open(paths.cache, paths.filesDir.path, (value) =>
    typeof value === "string" ? value : undefined,
  );
  const limit = pLimit(Math.max(1, Math.floor(config.concurrency / 2)));
  const run = async (job: FileJob) => {
    if (signal.aborted) return;
    try {
      const { outcome, bytes } = await syncFile(context, job, { http, checksums, index });
      reporter.done(job.url, outcome, bytes);
    } catch (error) {
      reporter.failed(job.url, error);
    }
  };
  // One whose way is barred is told by its own name.
  for (const { host, path } of jobs)
    await paths
      .file(host, path)
      .parent?.removeLeftovers()
      .catch(() => undefined);
  await Promise.all(jobs.map((job) => limit(() => run(job))));
  await writeFileChecksums(paths, checksums);
  await index.save();
}

interface Tools {
  readonly http: HttpClient;
  readonly checksums: FileChecksums;
  readonly index: FileIndex<string>;
}

async function syncFile(
  { paths, ...context }: Context,
  job: FileJob,
  { http, checksums, index }: Tools,
): Promise<{ outcome: "added" | "updated" | "unchanged"; bytes: number }> {
  const file = paths.file(job.host, job.path);
  const key = `${job.host}/${job.path}`;
  // What the configuration says is what someone looked up; what we recorded is only what came first.
  const expected = job.sha256 ?? checksums.get(key)?.sha256;
  const size = file.look()?.size;
  const held = size === undefined ? undefined : await index.get(key, file, hashFile).catch(() => undefined);
  // What no checksum is known of is not trusted as it lies: what upstream sends decides.
  if (size !== undefined && held !== undefined && held === expected) {
    checksums.set(key, { sha256: held, bytes: size });
    return { outcome: "unchanged", bytes: 0 };
  }
  const temporary = file.temporary();
  try {
    file.parent?.makeFolder();
    const { status, sha256, bytes } = await http.download(job.url, temporary, {
      maxSize: maxFileSize,
      ...transferOf(context),
    });
    if (status === 404) throw new MirrorError("not_found", "upstream does not have it (status 404)");
    if (status !== 200) throw new MirrorError("upstream", `upstream answered with status ${status}`);
    if (expected !== undefined && sha256 !== expected) throw mismatch(job, sha256, expected);
    checksums.set(key, { sha256, bytes });
    if (held === sha256) return { outcome: "unchanged", bytes };
    await temporary.moveTo(file);
    return { outcome: held === undefined ? "added" : "updated", bytes };
  } finally {
    await temporary.remove();
  }
}

function mismatch(job: FileJob, sha256: string, expected: string): MirrorError {
  const says = job.sha256 === undefined ? "the first sync got" : "the configuration says";
  return new MirrorError("integrity", `upstream sent a file with SHA-256 ${sha256}; ${says} ${expected}`);
}

/** @returns 64 hex digits @throws MirrorError `storage`, a system error */
export async function hashFile(file: Place): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file.verifiedPath()), hash);
  return hash.digest("hex");
}
