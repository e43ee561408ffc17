/**
 * Our own set-ups point git at the mirror (`url.http://localhost:8000/github.com/.insteadOf https://github.com/`). A
 * sync that followed such a rule would ask the mirror for what it is to bring to the mirror. Other rules of the user,
 * such as https to ssh, hold.
 */
import { tryGit, type Surroundings } from "./run.ts";

/** @param isSelf whether a URL leads to this mirror @returns variables to add, so that `url` means what it says */
export async function withoutSelfRedirect(
  upstream: Surroundings,
  url: string,
  isSelf: (url: string) => boolean,
): Promise<Readonly<Record<string, string>>> {
  const { code, stdout } = await tryGit(["ls-remote", "--get-url", "--", url], upstream);
  if (code !== 0 || !isSelf(stdout.toString("utf8").trim())) return {};
  // The longest rule wins, and none is longer than the whole URL.
  const count = Number(upstream.env["GIT_CONFIG_COUNT"] ?? 0);
  return {
    GIT_CONFIG_COUNT: String(count + 1),
    [`GIT_CONFIG_KEY_${count}`]: `url.${url}.insteadOf`,
    [`GIT_CONFIG_VALUE_${count}`]: url,
  };
}

/** @param names the mirror's own host names @param ports those that it listens on */
export function leadsTo(names: readonly string[], ports: readonly number[]): (url: string) => boolean {
  return (url) => {
    if (!URL.canParse(url)) return false;
    const { protocol, hostname, port } = new URL(url);
    const own = hostname.replace(/^\[|\]$/g, "");
    const isOwnHost = own === "localhost" || own === "::1" || own.startsWith("127.") || names.includes(own);
    return isOwnHost && ports.includes(Number(port || (protocol === "https:" ? 443 : 80)));
  };
}
