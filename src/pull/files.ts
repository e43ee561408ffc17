/** Other files of hosts that may be asked, such as release assets: kept with the checksum that they came with. */
import type { Artifact } from "../artifacts/artifact.ts";
import { MirrorError } from "../errors.ts";
import { isFilePath } from "../names/file-names.ts";
import type { FileJob } from "../plan/files.ts";
import { transferOf } from "../reporter.ts";
import { held, type Located } from "../serve/source.ts";
import { fileUrlThrough } from "../upstream/through.ts";
import { pageError } from "../upstream/page.ts";
import type { Bringer } from "./bringer.ts";
import type { CurrentTools } from "./current.ts";
import { brought, requireBrought } from "./releases.ts";

export interface FilesPullTools extends CurrentTools {
  readonly bringer: Bringer;
  readonly files: Artifact<FileJob>;
  /** Those that the configuration lists. */
  readonly listed: readonly FileJob[];
  readonly mayPull: (host: string) => boolean;
  /** As of `FileSettings`. */
  readonly upstream: string | undefined;
}

// What is not kept goes through memory. Bytes.
const maxPassed = 64 * 1024 * 1024;

export function createFilesPull(
  tools: FilesPullTools,
): (host: string, path: string, hasQuery: boolean) => Promise<Located | undefined> {
  const { bringer, files, listed, mayPull, asking, upstream } = tools;
  const { paths } = bringer;
  const bring = async (job: FileJob): Promise<Buffer | undefined> => {
    if (!bringer.keeps) return pass({ ...job, url: fileUrlThrough(upstream, job.url) }, bringer);
    const bringing = await files.bringing([job], bringer);
    try {
      for await (const outcome of bringing.bring(job)) requireBrought(outcome);
    } finally {
      await bringing.finish();
    }
    return undefined;
  };
  return async (host, asked, hasQuery) => {
    const path = asked.replace(/^\/+/, "");
    if (!isFilePath(path)) return undefined;
    const place = paths.file(host, path);
    // What is a folder here holds files that were asked for by longer paths.
    if (place.isFile() || place.isFolder() || !mayPull(host) || hasQuery) return held(place);
    const job = listed.find((each) => each.host === host && each.path === path) ?? jobFor(host, path);
    const question = {
      key: `file ${job.url}`,
      host: new URL(fileUrlThrough(upstream, job.url)).host,
      work: async () => bring(job),
    };
    const bytes = await asking.bring(question);
    return brought(bytes === undefined ? { place } : { bytes });
  };
}

function jobFor(host: string, path: string): FileJob {
  const url = `https://${host}/${path.split("/").map(encodeURIComponent).join("/")}`;
  return { url, host, path, sha256: undefined };
}

async function pass({ url, sha256 }: FileJob, bringer: Bringer): Promise<Buffer> {
  return bringer.http.get(url, { maxSize: maxPassed, ...transferOf(bringer) }, ({ status, body, isPage }) => {
    if (status === 404) throw new MirrorError("not_found", "upstream does not have it (status 404)");
    if (status !== 200) throw new MirrorError("upstream", `upstream answered with status ${status}`);
    if (isPage && sha256 === undefined) throw pageError(new URL(url).host);
    return body;
  });
}
