/**
 * `files` of the configuration → one job for each URL, with what stands in braces expanded. Pure.
 *
 *   {"url": "https://github.com/o/r/releases/download/v{version}/tool-{target}", "version": "1.2", "target": ["a", "b"]}
 */
import { MirrorError } from "../errors.ts";
import { isIPv6 } from "node:net";
import { isHostName, maxUrlLength, redactUrl } from "../names/git-url.ts";
import { isFilePath } from "../names/file-names.ts";
import type { Item } from "../names/item.ts";
import type { NpmCheck } from "../downloads/tools.ts";
import type { FileSource } from "../options.ts";

export interface FileJob {
  readonly url: string;
  /** Lower case, without port: clients' requests are told apart by host name only. */
  readonly host: string;
  /** Below the host, decoded: `owner/repo/releases/download/v1/tool` */
  readonly path: string;
  /** 64 lower-case hex digits; undefined: whatever the first sync gets. */
  readonly sha256: string | undefined;
  /** What npm says of it decides, which is checked. */
  readonly npm?: NpmCheck | undefined;
  /** Whether the configuration names it. */
  readonly isListed?: true;
  /** Whose packages download it while they are compiled. */
  readonly asking?: readonly Asked[];
}

/** Which entry of which lock asks for a package. */
interface Asked {
  readonly lock: string;
  readonly app: string;
}

const maxUrls = 1_000;
/** @throws MirrorError `config` naming what is wrong with which entry */
export function fileJobs(sources: readonly FileSource[]): FileJob[] {
  const jobs = new Map<string, FileJob>();
  for (const source of sources) {
    const urls = expand(source);
    for (const url of urls) {
      const job = listedJob(url, checksumFor(source, url, urls.length));
      const key = `${job.host}/${job.path}`;
      const other = jobs.get(key);
      if (
        other !== undefined &&
        (new URL(other.url).origin !== new URL(url).origin ||
          (other.sha256 ?? job.sha256) !== (job.sha256 ?? other.sha256))
      ) {
        throw refuse(url, "it comes twice, by another scheme or port, or with another checksum");
      }
      jobs.set(key, { ...job, sha256: job.sha256 ?? other?.sha256, isListed: true });
    }
    if (source.sha256 !== undefined && typeof source.sha256 !== "string") refuseUnusedChecksums(source.sha256, urls);
  }
  refuseFilesBelowFiles([...jobs.keys()]);
  return [...jobs.values()];
}

/** `a` and `a/b` cannot both be files. */
function refuseFilesBelowFiles(keys: readonly string[]): void {
  const known = new Set(keys);
  for (const key of keys) {
    const parts = key.split("/");
    const above = parts.map((_, index) => parts.slice(0, index).join("/")).find((folder) => known.has(folder));
    if (above !== undefined) throw refuse(`https://${key}`, `https://${above} is a file too, so it cannot be a folder`);
  }
}

function expand({ url: pattern, values }: FileSource): string[] {
  let urls = [pattern];
  for (const [, name = ""] of pattern.matchAll(/\{([^{}]*)\}/g)) {
    const list = Object.hasOwn(values, name) ? (values[name] ?? []) : undefined;
    if (list === undefined || list.length === 0) {
      throw refuse(pattern, `"${name}" stands in braces, but is not given`);
    }
    urls = urls.flatMap((url) =>
      url.includes(`{${name}}`) ? list.map((value) => url.replaceAll(`{${name}}`, value)) : url,
    );
    if (urls.length > maxUrls) throw refuse(pattern, `it stands for more than ${maxUrls} URLs`);
  }
  const unused = Object.keys(values).filter((name) => !pattern.includes(`{${name}}`));
  if (unused.length > 0) throw refuse(pattern, `"${unused.join('", "')}" does not stand in braces in it`);
  return [...new Set(urls)];
}

/** One for all is of use for one URL only; else they are given by the last part of each URL. */
function checksumFor({ sha256, url: pattern }: FileSource, url: string, count: number): string | undefined {
  if (typeof sha256 === "string") {
    if (count > 1) throw refuse(pattern, `it stands for ${count} URLs; give "sha256" as an object, by file name`);
    return sha256.toLowerCase();
  }
  return sha256?.[nameOf(url)]?.toLowerCase();
}

function refuseUnusedChecksums(given: Readonly<Record<string, string>>, urls: readonly string[]): void {
  const names = new Set(urls.map(nameOf));
  const unknown = Object.keys(given).find((name) => !names.has(name));
  if (unknown !== undefined) throw refuse(urls[0] ?? "", `"sha256" names ${unknown}, which is none of its files`);
}

function nameOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

function listedJob(url: string, sha256: string | undefined): FileJob {
  try {
    return fileJob(url, sha256);
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    throw new MirrorError("config", `"files" in the configuration: ${error.message}`);
  }
}

/** @throws MirrorError `config` for what cannot be kept, without who names it */
export function fileJob(url: string, sha256: string | undefined): FileJob {
  if (url.length > maxUrlLength) throw unfit(`${url.slice(0, 80)}…`, `it has more than ${maxUrlLength} characters`);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) throw unfit(url, "it is no http or https URL");
  if (parsed.username !== "" || parsed.password !== "") throw unfit(url, "credentials have no place here");
  if (parsed.search !== "" || parsed.hash !== "") throw unfit(url, "a query has no place in a folder");
  if (!isHostName(parsed.hostname) || isIPv6(parsed.hostname)) {
    throw unfit(url, "its host is no name that requests can be told by");
  }
  const path = decode(parsed.pathname).slice(1);
  if (!isFilePath(path)) {
    throw unfit(url, "its path holds what cannot be a file's name everywhere");
  }
  return { url, host: parsed.hostname.toLowerCase(), path, sha256 };
}

/** What cannot be decoded stays as it is, with a `%` that no path may hold. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function unfit(url: string, why: string): MirrorError {
  return new MirrorError("config", `${redactUrl(url)}: ${why}`);
}

function refuse(url: string, why: string): MirrorError {
  return new MirrorError("config", `"files" in the configuration: ${redactUrl(url)}: ${why}`);
}

/** What npm says of a file, which is kept too, since its client asks for it. @throws MirrorError `config` */
export function aboutJob({ npm, asking }: Pick<FileJob, "npm" | "asking">): FileJob | undefined {
  if (npm === undefined) return undefined;
  const job = fileJob(npm.aboutUrl, undefined);
  return asking === undefined ? job : { ...job, asking };
}

/** A file, and what has to be here for it. */
export function partsOf(job: FileJob): readonly FileJob[] {
  const about = aboutJob(job);
  return about === undefined ? [job] : [about, job];
}

/** In files.json. */
export function keyOf({ host, path }: Pick<FileJob, "host" | "path">): string {
  return `${host}/${path}`;
}

export function itemOf({ url }: Pick<FileJob, "url">): Item {
  return { kind: "file", url };
}
