/**
 * Mirrors elsewhere, by URL, with the fingerprint that each had when it was first used: another key later is somebody
 * else, or a mirror that was made anew, and a person has to say which. In the cache folder, as ssh keeps its known hosts.
 */
import * as z from "zod";
import type { Place } from "../disk/place.ts";
import { MirrorError, hasErrno } from "../errors.ts";
import { plainGet, type PlainGetOptions } from "../upstream/plain-get.ts";
import { fingerprint, readPublicKey } from "../hex/keys.ts";
import { readJson } from "../store/json-file.ts";
import type { Context } from "../store/context.ts";
import { knownAuthority, ownCache, type AuthorityKey } from "../store/trust.ts";

const schema = z.record(z.string(), z.string());
const seconds = 2;

/**
 * The registry's key of the mirror at `url`, PEM; undefined where nobody can be reached from here by that name.
 * @param held the key that the folder here has, PEM
 * @throws MirrorError `integrity` when it is another than before, `upstream` when it tells none
 */
export async function keyOfMirrorAt(
  { config, reporter }: Context<"isAuthorityKnown" | "ownCacheDir" | AuthorityKey>,
  url: string,
  held: string | undefined,
): Promise<string | undefined> {
  const ca = await knownAuthority(config);
  const file = ownCache(config).at("known-mirrors.json");
  const known = await readKnown(file);
  // Spelt in one way.
  const name = new URL(url).href;
  const before = Object.hasOwn(known, name) ? known[name] : undefined;
  const byAuthority =
    url.startsWith("https:") && ca !== undefined
      ? await readKey(url, { seconds, onlyCa: ca }).catch(() => undefined)
      : undefined;
  const pem = byAuthority ?? (await readKey(url, { seconds, ca }));
  const now = pem ?? held;
  if (now === undefined) return undefined;
  const shown = fingerprint(readPublicKey(now, `${url}/public_key`));
  // The held authority vouches for it, whatever key it has by now.
  if (before !== undefined && before !== shown && byAuthority === undefined) {
    throw new MirrorError(
      "integrity",
      `the mirror at ${url} ${pem === undefined ? "does not answer, and the one here has" : "shows"} the key ${shown}, and had ` +
        `${before} when it was first used. If it was made anew, take its line out of ${file.path}; if not, somebody else ` +
        "answers there",
    );
  }
  if (pem === undefined || before === shown) return pem;
  await file.writeIfChanged(`${JSON.stringify({ ...known, [name]: shown }, null, 1)}\n`);
  reporter.note(`the mirror at ${url} is known by the key ${shown} from now on`);
  return pem;
}

/** undefined where nobody is: such as the name that a mirror has in a compose network. */
async function readKey(url: string, options: PlainGetOptions): Promise<string | undefined> {
  let pem: string;
  try {
    pem = await plainGet(`${url}/public_key`, options);
  } catch (cause) {
    if (hasErrno(cause, "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH")) return undefined;
    throw new MirrorError("upstream", `the mirror at ${url} cannot be asked for its key`, { cause });
  }
  try {
    readPublicKey(pem, `${url}/public_key`);
    return pem;
  } catch (cause) {
    throw new MirrorError("upstream", `what answers at ${url} is no mirror: it tells no key`, { cause });
  }
}

async function readKnown(place: Place): Promise<Record<string, string>> {
  const whenDamaged = { remedy: "delete it, and each mirror is known anew when it is used" };
  return (await readJson({ place, schema, whenDamaged })) ?? {};
}
