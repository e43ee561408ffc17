/** Points clients at a mirror: at one that runs, or at one that is started for as long as a command runs. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { MirrorError } from "../errors.ts";
import { isFile } from "../files.ts";
import { writeClientFiles } from "../clients/files.ts";
import { clientVariables, type ClientSetup } from "../clients/variables.ts";
import { localUrl, plainGet } from "../fetch/plain-get.ts";
import { readPublicKey } from "../hex/keys.ts";
import { hexpm } from "../hex/repository.ts";
import { readIfPresent } from "../store/atomic.ts";
import { listRegistries } from "../store/inventory.ts";
import { createServedHosts } from "../store/served-hosts.ts";
import type { Context } from "./context.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Hosts that clients are pointed at by other means than git's. */
const hexHosts = new Set(["repo.hex.pm", "builds.hex.pm", "hex.pm"]);

/** Whether a server runs where the configuration says, and whether it serves this mirror: told by the registry's key. */
export async function runningMirror({ config, paths }: Context): Promise<"this" | "another" | "none"> {
  if (config.port === 0) return "none";
  const theirs = await plainGet(`${localUrl(config)}/public_key`, { seconds: 2 }).catch(() => undefined);
  if (theirs === undefined) return "none";
  const ours = (await readIfPresent(paths.registry(hexpm).publicKey))?.toString("utf8");
  return theirs === ours ? "this" : "another";
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

/** For a mirror elsewhere that mirror tells it, if it can be reached from here; else the folder does. */
async function publicKeyOf({ config, paths }: Context, url: string): Promise<string> {
  const file = paths.registry(hexpm).publicKey;
  const held = (await readIfPresent(file))?.toString("utf8");
  if (config.url === undefined) {
    if (held !== undefined) return held;
    throw new MirrorError("config", `there is no signed registry in ${paths.hexDir}; sync, build or serve it first`);
  }
  const ca = (await readIfPresent(join(config.certsDir, "ca.pem")))?.toString("utf8");
  try {
    const pem = await plainGet(`${url}/public_key`, { seconds: 2, ca });
    readPublicKey(pem, `${url}/public_key`);
    return pem;
  } catch (cause) {
    // Such as the name that the mirror has in a compose network.
    if (held !== undefined) return held;
    throw new MirrorError("upstream", `the mirror at ${url} does not tell its key`, { cause });
  }
}
