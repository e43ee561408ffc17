/**
 * Who logged in on the page, where tokens guard it: a browser is given the id of its session, never the token, in a cookie
 * that no script reads and no other site sends. Kept in memory: who restarts the server logs everybody out.
 */
import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";

const name = "mirror_session";
// Milliseconds.
const longest = 12 * 3600 * 1000;
const most = 10_000;

export class Sessions {
  private readonly ids = new LRUCache<string, true>({ max: most, ttl: longest });

  /** @param isSecure whether the browser came by HTTPS @returns the value of `Set-Cookie` */
  begin(isSecure: boolean): string {
    const id = randomBytes(32).toString("hex");
    this.ids.set(id, true);
    return cookie(id, longest / 1000, isSecure);
  }

  /** @returns likewise */
  end(cookies: string | undefined, isSecure: boolean): string {
    for (const id of idsIn(cookies)) this.ids.delete(id);
    return cookie("", 0, isSecure);
  }

  /** @param cookies the header, if any */
  isKnown(cookies: string | undefined): boolean {
    return idsIn(cookies).some((id) => this.ids.has(id));
  }
}

function cookie(value: string, seconds: number, isSecure: boolean): string {
  const parts = [`${name}=${value}`, "Path=/", "HttpOnly", "SameSite=Strict", `Max-Age=${seconds}`];
  return [...parts, ...(isSecure ? ["Secure"] : [])].join("; ");
}

function idsIn(cookies = ""): string[] {
  return cookies.split(";").flatMap((part) => {
    const [key, value] = part.trim().split("=", 2);
    return key === name && value !== undefined && value !== "" ? [value] : [];
  });
}
