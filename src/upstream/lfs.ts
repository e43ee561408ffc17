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
  /** Whether it hears nothing of the kind, whatever the settings have. */
  readonly isAnonymous: boolean;
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
/** As git-lfs asks for them. */
export const atOnce = 100;
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

/**
 * @param objects at most `atOnce` of them @returns where each is, or why it cannot be had
 * @throws MirrorError `unauthorized` where a login is wanted; `not_found` where there is no such server
 */
export async function findLfs(
  objects: readonly LfsObject[],
  { url, authorization, isAnonymous }: LfsServer,
  { http, transfer }: Pick<LfsTools, "http" | "transfer">,
): Promise<(LfsSource | MirrorError)[]> {
  const options = {
    headers: { accept: media },
    post: { type: media, body: JSON.stringify({ operation: "download", transfers: ["basic"], objects }) },
    token: authorization,
    isAnonymous,
    maxSize: maxAnswer,
    ...transfer,
  };
  const text = await http.get(`${url}/objects/batch`, options, ({ status, body }) => {
    if (status === 200) return body.toString("utf8");
    throw statusError(status, said.safeParse(parseJson(body.toString("utf8"))).data?.message);
  });
  const { success, data } = schema.safeParse(parseJson(text));
  if (!success) throw new MirrorError("upstream", "its LFS server answered with what is no answer of one");
  const answers = new Map(data.objects.map((each) => [each.oid, each]));
  return objects.map((object) => sourceOf(object, answers.get(object.oid)));
}

const said = z.object({ message: z.string() });

/** @param message what the server says of it */
function statusError(status: number, message: string | undefined): MirrorError {
  const why = message === undefined ? "" : `: ${message.slice(0, 300)}`;
  if (status === 401 || status === 403) {
    return new MirrorError(
      "unauthorized",
      `its LFS server wants a login, or lets nobody have it (status ${status})${why}`,
    );
  }
  if (status === 404) return new MirrorError("not_found", `there is no LFS server for it (status 404); ${without}`);
  return new MirrorError("upstream", `its LFS server answered with status ${status}${why}`);
}

const without = "--no-lfs leaves its files in Git LFS out";

function sourceOf(
  object: LfsObject,
  answer: z.infer<typeof schema>["objects"][number] | undefined,
): LfsSource | MirrorError {
  const download = answer?.actions?.download;
  if (download !== undefined) return { object, href: download.href, headers: download.header ?? {} };
  const why = answer?.error === undefined ? "names no place for it" : `says: ${answer.error.message}`;
  const text = `its LFS server does not have ${object.oid.slice(0, 12)}…, and ${why}; ${without}`;
  return new MirrorError("not_found", text);
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
