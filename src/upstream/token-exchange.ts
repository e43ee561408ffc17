/**
 * A long-lived key of an organisation's → the token of some minutes that hex.pm's repository takes for it, by the exchange that
 * Hex makes itself. Where the API knows of none, the key is sent as it stands, as it was before.
 * https://hex.pm/docs/api (OAuth, client credentials)
 */
import * as z from "zod";
import { MirrorError } from "../errors.ts";
import { parseJson } from "../text.ts";
import type { HttpClient, Transfer } from "./http.ts";

/** What to send as `Authorization`. @throws MirrorError `refused`, `upstream` */
export type TokenOf = (http: HttpClient, transfer: Transfer) => Promise<string>;

export interface ExchangedKey {
  readonly key: string;
  /** The API's base, without a slash at the end. */
  readonly apiUrl: string;
  /** Whose key it is, and what to do where it is not taken, for errors. */
  readonly repository: string;
  readonly remedy: string;
}

/** By which Hex's own command line is known to hex.pm; no secret. */
const clientId = "78ea6566-89fd-481e-a1d6-7d9d78eacca8";
const schema = z.object({ access_token: z.string().min(1), expires_in: z.number() });
// A token that is about to end is not begun with, as Hex has it. Seconds.
const leastLeft = 300;
// Bytes.
const maxAnswer = 64 * 1024;

export function exchanging({ key, apiUrl, repository, remedy }: ExchangedKey): TokenOf {
  let known: { readonly token: string; readonly until: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask: TokenOf = async (http, transfer) => {
    const url = `${apiUrl}/oauth/token`;
    const body = JSON.stringify({
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: key,
      scope: "repositories",
    });
    const options = {
      headers: { accept: "application/json" },
      post: { type: "application/json", body },
      maxSize: maxAnswer,
      ...transfer,
    };
    const answer = await http.get(url, options, ({ status, body: bytes }) => ({
      status,
      text: bytes.toString("utf8"),
    }));
    if (answer.status === 404 || answer.status === 405) {
      known = { token: key, until: Infinity };
      return key;
    }
    const given = answer.status === 200 ? schema.safeParse(parseJson(answer.text)).data : undefined;
    if (given === undefined) {
      const why = answer.status === 200 ? "answers with no token" : `answers with status ${answer.status}`;
      throw new MirrorError("refused", `${url} gives no token for the key of ${repository}, and ${why}; ${remedy}`);
    }
    const token = `Bearer ${given.access_token}`;
    known = { token, until: Date.now() + (given.expires_in - leastLeft) * 1000 };
    return token;
  };
  return async (http, transfer) => {
    if (known !== undefined && Date.now() < known.until) return known.token;
    // One for all who wait.
    asking ??= ask(http, transfer).finally(() => (asking = undefined));
    return asking;
  };
}
