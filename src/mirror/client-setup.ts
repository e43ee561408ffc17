/** Points clients at a mirror: at one that runs, or at one that is started for as long as a command runs. */
import { createHash } from "node:crypto";
import { get } from "node:http";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Config } from "../config.ts";
import { MirrorError } from "../errors.ts";
import { isFile } from "../files.ts";
import { writeClientFiles } from "../clients/files.ts";
import { clientVariables, type ClientSetup } from "../clients/variables.ts";
import { createHttpClient } from "../fetch/http.ts";
import { readPublicKey } from "../hex/keys.ts";
import { hexpm } from "../hex/repository.ts";
import { readIfPresent } from "../store/atomic.ts";
import { listRegistries } from "../store/inventory.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import { version } from "../version.ts";
import type { Context } from "./context.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Hosts that clients are pointed at by other means than git's. */
const hexHosts = new Set(["repo.hex.pm", "builds.hex.pm", "hex.pm"]);

/** Where this machine reaches the server that the configuration describes. */
export function localUrl({ host, port }: Pick<Config, "host" | "port">): string {
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (host === "::") return `http://[::1]:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Whether that server runs, and serves this very mirror: its registry has the same key. */
export async function isRunning({ config, paths }: Context): Promise<boolean> {
  const ours = (await readIfPresent(paths.registry(hexpm).publicKey))?.toString("utf8");
  if (config.port === 0 || ours === undefined) return false;
  return (await getText(`${localUrl(config)}/public_key`).catch(() => undefined)) === ours;
}

/** @param url where clients reach it @param environment what the variables are added to */
export async function clientEnvironment(
  context: Context,
  url: string,
  environment: Environment,
): Promise<Record<string, string>> {
  const { config, paths } = context;
  const publicKey = await publicKeyOf(context, url);
  // Nothing in these files depends on the URL, so that a mirror on a new port at each run needs no new ones.
  const name = createHash("sha256").update(`${paths.mirrorDir}\0${publicKey}`).digest("hex").slice(0, 16);
  const caFile = config.ownCertificate?.ca ?? join(config.certsDir, "ca.pem");
  const ca = (await isFile(caFile)) ? caFile : undefined;
  const files = await writeClientFiles({
    dir: join(config.cacheDir, "clients", name),
    publicKey,
    repositories: (await listRegistries(paths)).map(({ repository }) => repository),
    ca,
    hexPackages: config.hexPackagesDir,
    environment,
  });
  const gitHosts = createServedHosts(paths)
    .list()
    .filter((host) => !hexHosts.has(host));
  const setup: ClientSetup = { url, gitHosts, ca, ...files };
  return clientVariables(setup, environment);
}

/** The mirror's own folder tells it; for a mirror elsewhere, that mirror does. */
async function publicKeyOf({ config, paths, signal }: Context, url: string): Promise<string> {
  const file = paths.registry(hexpm).publicKey;
  const held = (await readIfPresent(file))?.toString("utf8");
  if (held !== undefined) return held;
  if (config.url === undefined) {
    throw new MirrorError("config", `there is no signed registry in ${paths.hexDir}; sync, build or serve it first`);
  }
  const http = createHttpClient({ userAgent: `mirror-server/${version}`, connections: 1, proxy: config.proxy });
  try {
    const { status, body } = await http.get(`${url}/public_key`, { maxSize: 64 * 1024, signal });
    if (status !== 200) throw new MirrorError("upstream", `${url}/public_key answered with status ${status}`);
    const pem = body.toString("utf8");
    readPublicKey(pem, `${url}/public_key`);
    return pem;
  } finally {
    await http.close();
  }
}

/** By node:http, as health does: nothing of the user's proxies, and quick. */
async function getText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, signal: AbortSignal.timeout(2_000) }, (answer) => {
      text(answer).then(resolve, reject);
    });
    request.once("error", reject);
  });
}
