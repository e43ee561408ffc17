/**
 * A small client of S3, as much of it as publishing needs: list, put, put only where nothing is, look, read and remove. Signed by
 * aws4fetch, sent like all that we ask: kept-alive connections, the user's proxies and authorities. What fails in a way that
 * passes is tried again. https://docs.aws.amazon.com/AmazonS3/latest/API/
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { request, type Dispatcher } from "undici";
import { MirrorError, describeError } from "../errors.ts";

export interface S3Login {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a role that was taken on for some hours. */
  readonly sessionToken: string | undefined;
}

export interface S3Target {
  readonly bucket: string;
  /** Empty, or with `/` at its end. */
  readonly prefix: string;
  readonly region: string;
  /** undefined: Amazon's own, by the region. */
  readonly endpoint: string | undefined;
}

export interface S3Tools {
  readonly login: S3Login;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

export interface StoredObject {
  /** Bytes. */
  readonly size: number;
  /** Without quotation marks: MD5 of the content, for what was put in one piece and not encrypted by another's key. */
  readonly etag: string;
}

export interface PutOptions {
  readonly type: string;
  readonly cacheControl: string;
  /** Only where there is no such object. */
  readonly ifAbsent?: boolean;
  /** How often it is tried; absent: until it is clear that it cannot be. */
  readonly tries?: number;
}

export interface S3 {
  /** Keys without the prefix. @param below likewise */
  readonly list: (below?: string) => Promise<Map<string, StoredObject>>;
  /** @returns `there`, and nothing is changed, where it was to be put only where there is none */
  readonly put: (key: string, bytes: Buffer, options: PutOptions) => Promise<"stored" | "there">;
  readonly read: (key: string) => Promise<Buffer | undefined>;
  /** SHA-256, as we noted it when it was put, hex digits; undefined: there is no such object, or it is somebody else's. */
  readonly sha256Of: (key: string) => Promise<string | undefined>;
  readonly remove: (key: string) => Promise<void>;
}

const usualTries = 6;
const firstPause = 250;
// Milliseconds: a list of a thousand keys; and bytes of a put in each, on a slow line that many share.
const patience = 60_000;
const slowest = 4;
const noted = "x-amz-meta-sha256";

/** @throws MirrorError `upstream`, `unauthorized`, `not_found` for a bucket that is not there */
export function openS3(target: S3Target, tools: S3Tools): S3 {
  const { bucket, prefix } = target;
  const root = rootOf(target);
  const where = `s3://${bucket}`;
  const ask = async (question: Question) => askPatiently(question, { root, where, region: target.region, ...tools });
  const at = (key: string) => `/${encodePath(prefix + key)}`;
  return {
    list: async (below = "") => {
      const found = new Map<string, StoredObject>();
      let token: string | undefined;
      do {
        const query = new URLSearchParams({ "list-type": "2", "encoding-type": "url", prefix: prefix + below });
        if (token !== undefined) query.set("continuation-token", token);
        const { status, body } = await ask({ method: "GET", path: `/?${query.toString().replaceAll("+", "%20")}` });
        if (status !== 200) throw failure(where, status, body);
        const page = readList(body.toString("utf8"));
        for (const { key, ...object } of page.objects) found.set(key.slice(prefix.length), object);
        token = page.next;
      } while (token !== undefined);
      return found;
    },
    put: async (key, bytes, { type, cacheControl, ifAbsent = false, ...options }) => {
      const headers = {
        "content-type": type,
        "cache-control": cacheControl,
        "content-md5": createHash("md5").update(bytes).digest("base64"),
        [noted]: sha256(bytes),
        ...(ifAbsent ? { "if-none-match": "*" } : {}),
      };
      const { status, body } = await ask({ method: "PUT", path: at(key), bytes, headers, ...options });
      if (ifAbsent && status === 412) return "there";
      if (status !== 200) throw failure(`${where}/${prefix}${key}`, status, body);
      return "stored";
    },
    read: async (key) => {
      const { status, body } = await ask({ method: "GET", path: at(key) });
      if (status === 404) return undefined;
      if (status !== 200) throw failure(`${where}/${prefix}${key}`, status, body);
      return body;
    },
    sha256Of: async (key) => {
      const { status, body, headers } = await ask({ method: "HEAD", path: at(key) });
      if (status === 404) return undefined;
      if (status !== 200) throw failure(`${where}/${prefix}${key}`, status, body);
      return [headers[noted]].flat()[0];
    },
    remove: async (key) => {
      const { status, body } = await ask({ method: "DELETE", path: at(key) });
      if (status !== 204 && status !== 200 && status !== 404) throw failure(`${where}/${prefix}${key}`, status, body);
    },
  };
}

/** By path, which any store takes; Amazon's own buckets by their host names, unless these have a dot, which its certificate lacks. */
function rootOf({ bucket, region, endpoint }: S3Target): string {
  if (endpoint !== undefined) return `${endpoint}/${bucket}`;
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes(".") ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}

/** As signatures have it: whatever is no letter or digit, `+` above all, which Amazon reads as a space. */
function encodePath(path: string): string {
  const encode = (part: string) =>
    encodeURIComponent(part).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
  return path.split("/").map(encode).join("/");
}

interface Question {
  readonly method: "GET" | "PUT" | "HEAD" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tries?: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

interface Asking extends S3Tools {
  readonly root: string;
  readonly where: string;
  readonly region: string;
}

async function askPatiently(question: Question, asking: Asking): Promise<Answer> {
  const { signal, where } = asking;
  for (let attempt = 1; ; attempt++) {
    let trouble: unknown;
    try {
      const answer = await ask(question, asking);
      // 409: another put of the same is under way.
      if (answer.status === 501 || (![409, 429].includes(answer.status) && answer.status < 500)) return answer;
      trouble = failure(where, answer.status, answer.body);
    } catch (error) {
      if (signal.aborted) throw new MirrorError("cancelled", "publishing was stopped", { cause: error });
      trouble = error;
    }
    if (attempt === (question.tries ?? usualTries)) {
      if (trouble instanceof MirrorError) throw trouble;
      throw new MirrorError("upstream", `${where} cannot be reached at ${asking.root}: ${describeError(trouble)}`, {
        cause: trouble,
      });
    }
    await sleep(firstPause * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
  }
}

/** Signed anew for each try: a signature is good for some minutes. */
async function ask({ method, path, bytes, headers = {} }: Question, asking: Asking): Promise<Answer> {
  const { root, region, login, dispatcher, signal } = asking;
  const signer = new AwsV4Signer({
    method,
    url: root + path,
    headers: { ...headers, "x-amz-content-sha256": sha256(bytes ?? Buffer.alloc(0)) },
    service: "s3",
    region,
    allHeaders: true,
    accessKeyId: login.accessKeyId,
    secretAccessKey: login.secretAccessKey,
    ...(login.sessionToken === undefined ? {} : { sessionToken: login.sessionToken }),
  });
  const signed = await signer.sign();
  const answer = await request(root + path, {
    method,
    headers: Object.fromEntries(signed.headers),
    body: bytes ?? null,
    dispatcher,
    signal: AbortSignal.any([signal, AbortSignal.timeout(patience + Math.ceil((bytes?.length ?? 0) / slowest))]),
  });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: Buffer.from(await answer.body.arrayBuffer()),
  };
}

function failure(where: string, status: number, body: Buffer): MirrorError {
  const text = body.toString("utf8");
  const code = inTag(text, "Code");
  const said = [code, inTag(text, "Message")].filter((part) => part !== undefined && part !== "").join(": ");
  const words = `${where} answered with status ${status}${said === "" ? "" : ` (${said.slice(0, 300)})`}`;
  if (status === 403 || status === 401) {
    return new MirrorError(
      "unauthorized",
      `${words}: are AWS_ACCESS_KEY_ID and its secret right, and may it list, read, put and delete there?`,
    );
  }
  if (status === 404) return new MirrorError("not_found", `${words}: is there such a bucket?`);
  if (status === 301 || status === 307 || code === "AuthorizationHeaderMalformed")
    return new MirrorError("config", `${words}: is --region the bucket's?`);
  return new MirrorError("upstream", words, { data: { status } });
}

interface ListPage {
  readonly objects: readonly (StoredObject & { readonly key: string })[];
  readonly next: string | undefined;
}

/** Keys come as in URLs where the store knows that, so that the rest is what any XML of S3's has. @throws MirrorError `upstream` */
function readList(xml: string): ListPage {
  if (!xml.includes("<ListBucketResult")) throw new MirrorError("upstream", "that is no list of a bucket's objects");
  const isEncoded = inTag(xml, "EncodingType") === "url";
  const plain = (text: string) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const decode = (key: string) => (isEncoded ? decodeURIComponent(key.replaceAll("+", " ")) : plain(key));
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, text = ""]) => ({
    key: decode(inTag(text, "Key") ?? ""),
    size: Number(inTag(text, "Size")),
    etag: (inTag(text, "ETag") ?? "").replaceAll(/&quot;|"/g, ""),
  }));
  if (inTag(xml, "IsTruncated") !== "true") return { objects, next: undefined };
  const next = inTag(xml, "NextContinuationToken");
  if (next === undefined) throw new MirrorError("upstream", "the bucket's list breaks off, and tells not how to go on");
  return { objects, next };
}

function inTag(xml: string, tag: string): string | undefined {
  return new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
