/**
 * Tokens for what lies below a URL: the configuration names the variable that holds one, and the longest URL counts, as with
 * git's own settings. A token goes to that very scheme, host and port, and nowhere else.
 */

export interface UrlToken {
  /** `https://gitlab.corp/group` */
  readonly scope: string;
  /** `user:password`; a token alone; or, with a blank in it, all that is to be sent as `Authorization`. */
  readonly value: string;
}

/** What to send as `Authorization`; undefined where no scope holds the URL. */
export function authorizationFor(url: string, tokens: readonly UrlToken[]): string | undefined {
  const value = longest(url, tokens)?.value;
  if (value === undefined || value.includes(" ")) return value;
  return value.includes(":") ? basic(value) : `Bearer ${value}`;
}

/** The same as settings of git's. Forges take a token for a password, whatever the user is called. */
export function gitAuthorization(url: string, tokens: readonly UrlToken[]): [string, string][] {
  const token = longest(url, tokens);
  if (token === undefined) return [];
  const { scope, value } = token;
  const isWhole = value.includes(" ");
  const header = isWhole ? value : basic(value.includes(":") ? value : `x-access-token:${value}`);
  return [[`http.${scope}.extraHeader`, `Authorization: ${header}`]];
}

function longest(url: string, tokens: readonly UrlToken[]): UrlToken | undefined {
  if (!URL.canParse(url)) return undefined;
  const asked = new URL(url);
  const holds = ({ scope }: UrlToken) => {
    const { origin, pathname } = new URL(scope);
    const folder = pathname.endsWith("/") ? pathname : `${pathname}/`;
    return origin === asked.origin && (asked.pathname === pathname || asked.pathname.startsWith(folder));
  };
  return tokens.filter(holds).toSorted((a, b) => b.scope.length - a.scope.length)[0];
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString("base64")}`;
}
