/**
 * The user's login for a URL, as git would take it: what their settings send with it (`http.URL.extraHeader`), and what their
 * credential helpers have. For what is asked beside git, such as Git LFS.
 */
import { runGit, tryGit, upstreamIdleSeconds, type Surroundings } from "./run.ts";

/** What the user's settings send as `Authorization`; undefined: nothing. @param upstream the user's git */
export async function authorizationSetting(upstream: Surroundings, url: string): Promise<string | undefined> {
  const { code, stdout } = await tryGit(["config", "--get-urlmatch", "http.extraHeader", url], upstream);
  const [, value] = code === 0 ? (/^authorization:\s*(.+?)\s*$/im.exec(stdout.toString("utf8")) ?? []) : [];
  return value;
}

/** Whether git shows a certificate of the user's to that URL, which no trace of HTTP tells. @param upstream the user's git */
export async function hasClientCertificate(upstream: Surroundings, url: string): Promise<boolean> {
  if (upstream.env["GIT_SSL_CERT"] !== undefined) return true;
  const { code, stdout } = await tryGit(["config", "--get-urlmatch", "http.sslCert", url], upstream);
  return code === 0 && stdout.toString("utf8").trim() !== "";
}

/** What their helpers have, as `Authorization`; undefined: nobody has one, and none can be asked for. */
export async function helpersLogin(
  upstream: Surroundings,
  url: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { protocol, host, pathname } = new URL(url);
  const input = `protocol=${protocol.slice(0, -1)}\nhost=${host}\npath=${pathname.slice(1)}\n\n`;
  const text = await runGit(["credential", "fill"], {
    ...upstream,
    input,
    signal,
    idleSeconds: upstreamIdleSeconds,
  }).catch(() => "");
  const said = (key: string) =>
    new RegExp(`^${key}=(.*)$`, "m").exec(Buffer.from(text, "latin1").toString("utf8"))?.[1];
  const [user, password] = [said("username"), said("password")];
  if (user === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
