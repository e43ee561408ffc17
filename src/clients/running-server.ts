/**
 * Is the server that answers on a port this user's, and of this mirror? `serve` leaves a secret in a file that only its
 * user can read, in the runtime folder or the cache, and who asks lets it prove that it knows that (serve/identity.ts).
 * A server of somebody else, such as one in a container, is known by TLS with an authority that is held. Whatever else
 * answers gets nothing: no token, no client.
 */
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import * as z from "zod";
import { Place } from "../disk/place.ts";
import { describeError, hasErrno } from "../errors.ts";
import { localUrl, plainAnswer, plainGet, type PlainAnswer } from "../upstream/plain-get.ts";
import { hexpm } from "../names/hex-repository.ts";
import { askersProofOf, isProof, placeOf } from "../serve/identity.ts";
import { readJson } from "../store/json-file.ts";
import { parseJson } from "../text.ts";
import type { Context } from "../store/context.ts";
import { knownAuthority, ownCache, type AuthorityKey } from "../store/trust.ts";

type FolderKey = "runtimeDir" | "ownCacheDir";
/** The settings that say where a server of this mirror would answer, and how it can prove itself. */
export type RunningKey = FolderKey | "host" | "port" | "tlsPort" | "isAuthorityKnown" | AuthorityKey;

export interface Running {
  /** `unproven`: something answers, and may be anybody. */
  readonly state: "this" | "another" | "unproven" | "none";
  /** Where clients reach it. */
  readonly url: string;
  /** What it and this user know, and how it sees itself, by address; of one that is known by TLS none. */
  readonly known?: { readonly secret: string; readonly place: string };
  /** Whether it fetches what it does not hold; absent: that is not known. */
  readonly pulls?: boolean | undefined;
}

const schema = z.object({
  port: z.number().int().min(1).max(65535),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  host: z.string().optional(),
  pulls: z.boolean().optional(),
  tlsPort: z.number().optional(),
  folders: z
    .object({
      mirror: z.string(),
      hexDir: z.string(),
      gitDir: z.string(),
      privateKey: z.string(),
      certsDir: z.string(),
    })
    .optional(),
});

/** What a server leaves for its user's other commands. */
export type Announced = z.infer<typeof schema>;
const answerSchema = z.object({ fingerprint: z.string(), proof: z.string(), mirror: z.string() });
const seconds = 2;

export interface Announcement {
  readonly withdraw: () => Promise<void>;
}

/** For the user's other commands. @throws MirrorError `storage` when there is no folder to write to */
export async function announce(
  context: Pick<Context<FolderKey>, "config">,
  announced: Announced,
): Promise<Announcement> {
  const content = `${JSON.stringify({ ...announced, pid: process.pid })}\n`;
  const { port } = announced;
  let failure: unknown;
  for (const folder of folders(context)) {
    try {
      folder.makeFolder(0o700);
      const file = folder.at(`${port}.json`);
      await file.write(content, 0o600);
      // Another server may have taken the port meanwhile.
      const isOurs = () => file.contains(content).catch(() => false);
      return {
        withdraw: async () => {
          // What stays proves nothing without the server.
          if (await isOurs()) await file.remove().catch(() => undefined);
        },
      };
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

export async function findRunning({ config, paths }: Context<RunningKey>): Promise<Running> {
  const url = localUrl(config);
  if (config.port === 0) return { state: "none", url };
  const challenge = randomBytes(32).toString("hex");
  const asked = await ask(`${url}/health/identity?challenge=${challenge}`);
  if (asked === "nobody") return { state: "none", url };
  const answer = asked === "something" ? undefined : answerSchema.safeParse(parseJson(asked.body)).data;
  if (asked !== "something" && answer !== undefined) {
    const claim = { challenge, place: placeOf(asked.address, config.port), fingerprint: answer.fingerprint };
    const ours = registryFolder(paths);
    for (const { secret, pulls } of await announcedAt({ config }, `${config.port}.json`)) {
      if (!isProof(answer.proof, secret, { ...claim, mirror: "" })) continue;
      const isThis = isProof(answer.mirror, secret, { ...claim, mirror: ours });
      return { state: isThis ? "this" : "another", url, known: { secret, place: claim.place }, pulls };
    }
  }
  return (await findByTls({ config, paths })) ?? { state: "unproven", url };
}

const lackingSchema = z.object({
  pulls: z.boolean(),
  lacking: z.array(
    z.object({
      kind: z.enum(["own", "upstream", "file", "git", "unknown"]),
      host: z.string(),
      path: z.string(),
      code: z.string(),
      reason: z.string(),
    }),
  ),
});

export type LackReport = z.infer<typeof lackingSchema>;

/** What that server could not give since then; undefined where it does not say. @param since milliseconds since 1970 */
export async function askLacking({ url, known }: Running, since: number): Promise<LackReport | undefined> {
  if (known === undefined) return undefined;
  const proof = askersProofOf(known.secret, { since: String(since), place: known.place });
  try {
    const answer = await plainGet(`${url}/health/lacking?since=${since}&proof=${proof}`, { seconds });
    return lackingSchema.safeParse(parseJson(answer)).data;
  } catch {
    return undefined;
  }
}

/** By which a mirror is told from its copies: really, where it is there. */
export function registryFolder({ hex }: Pick<Context["paths"], "hex">): string {
  return hex.isFolder() ? hex.realPath() : hex.path;
}

/** Only a port that is closed has nobody: what hangs up, or says nothing, may be anybody. */
async function ask(url: string): Promise<PlainAnswer | "nobody" | "something"> {
  try {
    return await plainAnswer(url, { seconds });
  } catch (error) {
    return hasErrno(error, "ECONNREFUSED", "EADDRNOTAVAIL", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH")
      ? "nobody"
      : "something";
  }
}

/** A server that shows a certificate of the authority that is held here. */
async function findByTls({
  config,
  paths,
}: Pick<Context<RunningKey>, "config" | "paths">): Promise<Running | undefined> {
  const { tlsPort } = config;
  const ca = await knownAuthority(config);
  if (!tlsPort || ca === undefined) return undefined;
  const url = secureUrl(config.host, tlsPort);
  const theirs = await plainGet(`${url}/public_key`, { seconds, onlyCa: ca }).catch(() => undefined);
  if (theirs === undefined) return undefined;
  const ours = (await paths.registry(hexpm).publicKey.read())?.toString("utf8");
  return { state: theirs === ours ? "this" : "another", url };
}

/** By the name that the certificate has for this machine. */
function secureUrl(host: string, port: number): string {
  const isLocal = ["0.0.0.0", "::", "127.0.0.1", "::1"].includes(host);
  return localUrl({ host: isLocal ? "localhost" : host, port }).replace("http:", "https:");
}

/** What servers of this user left, whether they still run or not. */
export async function allAnnounced(context: Pick<Context<FolderKey>, "config">): Promise<Announced[]> {
  const files = await Promise.all(folders(context).map(async (folder) => folder.list("file").catch(() => [])));
  const names = new Set(files.flat().filter((name) => /^\d+\.json$/.test(name)));
  return (await Promise.all([...names].map(async (name) => announcedAt(context, name)))).flat();
}

async function announcedAt(context: Pick<Context<FolderKey>, "config">, name: string): Promise<Announced[]> {
  const found = await Promise.all(
    folders(context).map(async (folder) => {
      try {
        const place = folder.at(name);
        if (!isPrivate(place)) return [];
        const found = await readJson({ place, schema, whenDamaged: "counts as none" });
        return found === undefined ? [] : [found];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}

/** Whether the server that left this still runs, and serves that folder. */
export async function isRunning({ port, host = "127.0.0.1", secret, folders }: Announced): Promise<boolean> {
  if (folders === undefined) return false;
  const challenge = randomBytes(32).toString("hex");
  const asked = await ask(`${localUrl({ host, port })}/health/identity?challenge=${challenge}`);
  if (typeof asked === "string") return false;
  const answer = answerSchema.safeParse(parseJson(asked.body)).data;
  if (answer === undefined) return false;
  const mirror = realOr(folders.hexDir);
  const claim = { challenge, place: placeOf(asked.address, port), fingerprint: answer.fingerprint, mirror };
  return isProof(answer.mirror, secret, claim);
}

function realOr(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** What others could have written, or read, proves nothing. Windows knows neither users by number nor modes. */
function isPrivate(file: Place): boolean {
  const found = file.look();
  if (found?.isFile() !== true) return false;
  return process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o077) === 0);
}

/** The session's own folder first; a service and a login may have different ones, and then share the cache. */
function folders({ config }: Pick<Context<FolderKey>, "config">): Place[] {
  const { runtimeDir } = config;
  const inCache = ownCache(config).at("servers");
  if (runtimeDir === undefined) return [inCache];
  const root = { dir: runtimeDir, option: "XDG_RUNTIME_DIR", noun: "a runtime folder", isOne: () => true };
  return [Place.root({ ...root, isTrusted: true }).at("mirror-server"), inCache];
}

/** What is said when something answers that does not prove to be ours. */
export function unproven(port: number): string {
  return (
    `what answers on port ${port} does not prove to be this mirror's server, as it would to the user who started it, and ` +
    "over HTTPS with the authority in --certs-dir"
  );
}

/** @returns what is told to people where the server cannot be announced */
export function notAnnounced(error: unknown): string {
  return `exec and env of this user will not know this server: ${describeError(error)}`;
}
