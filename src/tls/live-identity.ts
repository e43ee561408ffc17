/**
 * The certificate that the server shows, kept good while it runs: renewed before it ends and when hosts are added, and
 * read again when somebody replaced its files, all without a restart.
 */
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { isIP } from "node:net";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { modifiedAt } from "../disk/files.ts";
import { hostsOfContainers } from "../names/known-hosts.ts";
import { MirrorError, describeError } from "../errors.ts";
import { loadServerIdentity, readServerIdentity, type IdentityOptions } from "./certs-folder.ts";
import { readOwnIdentity, type ServerIdentity } from "./server-identity.ts";

/** The settings by which a server shows who it is. */
export type IdentityKey = "ownCertificate" | "certsDir" | "forgetCaKey" | "host" | "name" | "readOnly";
type IdentitySettings = Pick<Config, IdentityKey>;

const checkEverySeconds = 2;
const renewEveryHours = 12;
const warnDaysBefore = 30;

export interface LiveIdentity {
  readonly current: () => ServerIdentity;
  /** Until `stop`, calls `apply` with each new identity, and `answering` with the names that it answers for, now and then anew. */
  readonly watch: (apply: (identity: ServerIdentity) => void, answering: (names: Names) => void) => void;
  /** Done when nothing is renewed any more. */
  readonly stop: () => Promise<void>;
}

export interface Names {
  readonly hosts: readonly string[];
  /** Those that the certificate does not name. */
  readonly uncovered: readonly string[];
}

/** @param servedHosts the hosts that are mirrored just now @throws MirrorError `config` when there is none to be had */
export async function openIdentity(
  config: IdentitySettings,
  servedHosts: () => readonly string[],
  { logger, isTracked }: { readonly logger: Logger; readonly isTracked: (path: string) => Promise<boolean> },
): Promise<LiveIdentity> {
  const hosts = () => hostsToAnswerFor(config, servedHosts());
  let current = await load(config, hosts(), { isTracked });
  for (const warning of current.warnings ?? []) logger.warn(warning);
  warnOf(current, config, logger);
  let timer: NodeJS.Timeout | undefined;
  let checking: Promise<void> | undefined;
  return {
    current: () => current,
    watch: (apply, answering) => {
      const tellNames = () => answering({ hosts: hosts(), uncovered: current.uncovered });
      tellNames();
      let seen = stampOf(config, hosts());
      let isBusy = false;
      const check = async () => {
        if (stampOf(config, hosts()) === seen) return;
        isBusy = true;
        try {
          const next = await load(config, hosts(), { isTracked, mayCreate: false });
          if (next.uncovered.join() !== current.uncovered.join()) warnOf(next, config, logger);
          if (next.cert !== current.cert) {
            apply(next);
            logger.info({ until: next.validTo }, "the server certificate was renewed");
          }
          current = next;
          tellNames();
        } catch (error) {
          logger.warn(`the server certificate stays as it is: ${describeError(error)}`);
        } finally {
          // What was written just now must not be taken for another change.
          seen = stampOf(config, hosts());
          isBusy = false;
        }
      };
      const tick = () => {
        if (!isBusy) checking = check();
      };
      timer = setInterval(tick, checkEverySeconds * 1000).unref();
    },
    stop: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}

/** What health says of a certificate that will end and cannot be renewed by itself. */
export function identityProblem({ validTo, isRenewable }: ServerIdentity, now: Date): string | undefined {
  const days = Math.floor((validTo.getTime() - now.getTime()) / 86_400_000);
  if (isRenewable || days >= warnDaysBefore) return undefined;
  return (
    `the server certificate ends on ${validTo.toISOString().slice(0, 10)} and cannot be renewed by itself; run ` +
    '"mirror-server certs renew --new-ca" and give its ca.pem to every client, or replace your own certificate'
  );
}

/** Every name and address that the certificate has to name. @param served the hosts that are mirrored */
export function hostsToAnswerFor(
  { host, name: names }: Pick<Config, "host" | "name">,
  served: readonly string[],
): string[] {
  return [...new Set([...ownHosts(host), ...names, ...served])];
}

/** The mirror's own names and addresses: localhost, app_deps, and what the server can be reached at. */
function ownHosts(host: string): string[] {
  const own = ["localhost", "127.0.0.1", "::1", "app_deps", ...hostsOfContainers];
  if (host === "0.0.0.0" || host === "::") {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    return [
      ...own,
      ...addresses.map(({ address }) => address.split("%", 1)[0] ?? address).filter((a) => isIP(a) !== 0),
    ];
  }
  return [...own, host.toLowerCase()];
}

async function load(
  config: IdentitySettings,
  hosts: readonly string[],
  options: IdentityOptions,
): Promise<ServerIdentity> {
  if (config.ownCertificate !== undefined) return readOwnIdentity(config.ownCertificate, hosts);
  try {
    if (config.readOnly) return await readServerIdentity(config.certsDir, hosts);
    return await loadServerIdentity(config.certsDir, hosts, { forgetCaKey: config.forgetCaKey, ...options });
  } catch (cause) {
    throw new MirrorError(
      "config",
      `no TLS certificate can be had in ${config.certsDir}; give --certs-dir, or --no-tls`,
      { cause },
    );
  }
}

function warnOf({ uncovered, isRenewable }: ServerIdentity, config: IdentitySettings, logger: Logger): void {
  const remedy =
    config.ownCertificate !== undefined
      ? "the certificate of --tls-cert does not name it"
      : config.readOnly
        ? 'the certificate does not name it; "mirror-server certs export" makes one that does'
        : isRenewable
          ? 'the local authority may not vouch for it; "mirror-server certs renew --new-ca" makes one that may'
          : 'the authority\'s key is forgotten; "mirror-server certs renew --new-ca" makes a new one';
  // An authority that was made before may not speak for these, which few need.
  const missed = uncovered.filter((host) => !hostsOfContainers.has(host));
  for (const host of missed) logger.warn({ host }, `clients will not trust this server as ${host}: ${remedy}`);
}

/** Changes when something may have to be done: hosts, files, and some hours gone by. */
function stampOf(config: IdentitySettings, hosts: readonly string[]): string {
  const { ownCertificate: own, certsDir } = config;
  const files = own === undefined ? ["ca.pem", "server.pem"].map((name) => join(certsDir, name)) : [own.cert, own.key];
  const times = files.map(modifiedAt);
  const hours = Math.floor(Date.now() / (renewEveryHours * 3_600_000));
  return [...hosts, ...times, hours].join(" ");
}
