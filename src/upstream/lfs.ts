/**
 * Asking for Git LFS objects: the batch API tells where each lies, and with what to ask for it.
 * https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
 */
import * as z from "zod";
import type { Place } from "../disk/place.ts";
import { MirrorError } from "../errors.ts";
import type { LfsObject } from "../git/lfs.ts";
import { trimEnd, parseJson } from "../text.ts";
import type { HttpClient, Transfer } from "./http.ts";
import { mayAsk, privateHost } from "./redirect.ts";

export interface LfsServer {
  /** `https://github.com/owner/repo.git/info/lfs` */
  readonly url: string;
  /** What to send as `Authorization`; undefined: what the settings have for that URL, or nothing. */
  readonly authorization: string | undefined;
}

export interface LfsTools {
  readonly http: HttpClient;
  /** Hosts that somebody named, which may be asked whatever their address. */
  readonly hosts: ReadonlySet<string>;
  readonly transfer: Transfer;
  /** Bytes of one object. */
  readonly maxItemSize: number;
}

const media = "application/vnd.git-lfs+json";
// As git-lfs asks for them.
const atOnce = 100;
const maxAnswer = 16 * 1024 * 1024;

const action = z.object({ href: z.string(), header: z.record(z.string(), z.string()).optional() });
const schema = z.object({
  objects: z.array(
    z.object({
      oid: z.string(),
      actions: z.object({ download: action.optional() }).optional(),
      error: z.object({ code: z.number(), message: z.string() }).optional(),
    }),
  ),
});

/** Where the LFS server of a repository is, by the URL that git asks. @returns undefined where that is not http */
export function lfsUrlOf(url: string): string | undefined {
  if (!/^https?:\/\//i.test(url)) return undefined;
  const plain = trimEnd(url, "/");
  return `${plain}${plain.endsWith(".git") ? "" : ".git"}/info/lfs`;
}

/** Where an object can be had. */
export interface LfsSource {
  readonly object: LfsObject;
  readonly href: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** @throws MirrorError `unauthorized` where a login is wanted; `not_found` where there is no such server, or no such object */
export async function findLfs(
  objects: readonly LfsObject[],
  { url, authorization }: LfsServer,
  { http, transfer }: Pick<LfsTools, "http" | "transfer">,
): Promise<LfsSource[]> {
  const sources: LfsSource[] = [];
  for (let from = 0; from < objects.length; from += atOnce) {
    const asked = objects.slice(from, from + atOnce);
    const body = JSON.stringify({ operation: "download", transfers: ["basic"], objects: asked });
    const options = {
      headers: { accept: media },
      post: { type: media, body },
      token: authorization,
      maxSize: maxAnswer,
      ...transfer,
    };
    const text = await http.get(`${url}/objects/batch`, options, ({ status, body: bytes }) => {
      if (status === 401 || status === 403) throw new MirrorError("unauthorized", "its LFS server wants a login");
      if (status === 404) throw new MirrorError("not_found", "there is no LFS server for it (status 404)");
      if (status !== 200) throw new MirrorError("upstream", `its LFS server answered with status ${status}`);
      return bytes.toString("utf8");
    });
    const { success, data } = schema.safeParse(parseJson(text));
    if (!success) throw new MirrorError("upstream", "its LFS server answered with what is no answer of one");
    const answers = new Map(data.objects.map((each) => [each.oid, each]));
    for (const object of asked) sources.push(sourceOf(object, answers.get(object.oid)));
  }
  return sources;
}

function sourceOf(object: LfsObject, answer: z.infer<typeof schema>["objects"][number] | undefined): LfsSource {
  const download = answer?.actions?.download;
  if (download !== undefined) return { object, href: download.href, headers: download.header ?? {} };
  const why = answer?.error === undefined ? "names no place for it" : `says: ${answer.error.message}`;
  throw new MirrorError("not_found", `its LFS server does not have ${object.oid.slice(0, 12)}…, and ${why}`);
}

/** Writes an object as it arrives, and looks whether it is that one. @throws MirrorError `integrity`, `upstream`, `refused` */
export async function downloadLfs(
  { object: { oid, size }, href, headers }: LfsSource,
  file: Place,
  { http, hosts, transfer, maxItemSize }: LfsTools,
): Promise<number> {
  if (!URL.canParse(href) || !/^https?:$/.test(new URL(href).protocol)) {
    throw new MirrorError("upstream", "its LFS server names a place that is no http or https URL");
  }
  const { hostname } = new URL(href);
  if (!(await mayAsk(hostname.toLowerCase(), hosts))) throw privateHost(hostname);
  // Any of them may be a login, which goes nowhere else along redirects.
  const secrets = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const options = { secrets, maxSize: maxItemSize, ...transfer };
  const { bytes } = await http.download(href, file, options, ({ status, sha256, bytes: got }) => {
    if (status !== 200) throw new MirrorError("upstream", `upstream answered with status ${status}`);
    if (sha256 !== oid || got !== size)
      throw new MirrorError(
        "integrity",
        `upstream sent another file than ${oid.slice(0, 12)}… (its SHA-256 is ${sha256})`,
      );
  });
  return bytes;
}
