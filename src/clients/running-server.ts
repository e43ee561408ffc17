/**
 * Is the server that answers on a port this user's, and of this mirror? `serve` leaves a secret in a file that only its
 * user can read, in the runtime folder or the cache, and who asks lets it prove that it knows that (serve/identity.ts).
 * A server of somebody else, such as one in a container, is known by TLS with an authority that is held. Whatever else
 * answers gets nothing: no token, no client.
 */
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import * as z from "zod";
import { hasErrno } from "../errors.ts";
import { localUrl, plainAnswer, plainGet, type PlainAnswer } from "../upstream/plain-get.ts";
import { hexpm } from "../names/hex-repository.ts";
import { askersProofOf, isProof, placeOf } from "../serve/identity.ts";
import { parseJson } from "../text.ts";
import { announcedAt, type Announced, type FolderKey } from "./announced-servers.ts";
import type { Context } from "../store/context.ts";
import { knownAuthority, type AuthorityKey } from "../store/trust.ts";

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

const answerSchema = z.object({ fingerprint: z.string(), proof: z.string(), mirror: z.string() });
const seconds = 2;
// The server itself waits a little for what it keeps of what it has just passed on.
const secondsForLacking = 15;

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
    const answer = await plainGet(`${url}/health/lacking?since=${since}&proof=${proof}`, {
      seconds: secondsForLacking,
    });
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

/** What is said when something answers that does not prove to be ours. */
export function unproven(port: number): string {
  return (
    `what answers on port ${port} does not prove to be this mirror's server, as it would to the user who started it, and ` +
    "over HTTPS with the authority in --certs-dir"
  );
}
