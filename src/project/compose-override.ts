/** What `init --compose` lays over a project's compose files. Pure. */
import { printable } from "../text.ts";
import type { ComposePlan, Rest } from "./compose-plan.ts";

/** What of the project's own compose files the mirror takes the place of, and goes along with. */
export interface ComposeProject extends ComposePlan {
  /** The files that compose is given, in order. */
  readonly files: readonly string[];
  /** What its container starts with by itself, as compose files write it; undefined: nothing that is known. */
  readonly entrypoint: readonly string[] | undefined;
  /** What it is to run, where only its image says so. */
  readonly command: readonly string[] | undefined;
  /** Networks of the app's own; empty: it is on the default one. */
  readonly networks: readonly string[];
  /** Whether the default network was made elsewhere, and can be made nothing else. */
  readonly isDefaultExternal: boolean;
}

interface ComposeInput extends ComposeProject {
  /** Hosts whose repositories the app fetches. */
  readonly gitHosts: readonly string[];
  /** Hex repositories that its Hex has to be told of. */
  readonly repositories: readonly string[];
  /** The dependency policy that its Hex is held to, `local/team`; undefined: as it is. */
  readonly policy: string | undefined;
  /** What the mirror calls the app's lock. */
  readonly lockName: string;
  /** Where the mirror's parts lie, from the compose file: `./.mirror`. */
  readonly folders: MirrorFolders;
  /** Whether the project has a configuration, by whose word the mirror is filled. */
  readonly hasConfig: boolean;
}

export interface MirrorFolders {
  readonly mirror: string;
  /** undefined: within the mirror. */
  readonly hex: string | undefined;
  readonly git: string | undefined;
  readonly privateKey: string | undefined;
}

export const overrideName = "docker-compose.mirror.yml";

/** As one gives them to compose. */
export function composeArguments(files: readonly string[]): string {
  return [...files, overrideName].map((file) => `-f ${file}`).join(" ");
}

export function composeOverride(input: ComposeInput): string {
  const { service, gitHosts, repositories, policy, lockName, folders, hasConfig, files } = input;
  const names = ["app_deps", ...gitHosts];
  const { mirror, hex = `${mirror}/hex`, git, privateKey } = folders;
  const mounts = Object.entries({
    "/mirror": mirror,
    "/mirror/hex": folders.hex,
    "/mirror/git": git,
    "/mirror/private_key.pem": privateKey,
  }).flatMap(([target, source]) => (source === undefined ? [] : [mount(source, target)]));
  // A configuration in the project names folders of the host.
  const places = Object.entries({
    MIRROR_HEX_DIR: [folders.hex, "/mirror/hex"],
    MIRROR_GIT_DIR: [git, "/mirror/git"],
    MIRROR_PRIVATE_KEY: [privateKey, "/mirror/private_key.pem"],
  }).flatMap(([name, [source, target]]) => (source === undefined ? [] : [`\n      ${name}: ${target}`]));
  return `# Written by "mirror-server init --compose"; yours to change.
#
#   docker compose ${composeArguments(files)} up
#
# The mirror has a way out, and fills itself: it syncs the lock here at its start and when it changes, and fetches what the
# app asks for besides. The app and all else on the default network have none; a port that they publish to the host is not
# reached then, and needs "internal" taken out below.
# Without this file everything is as it was. With it and HEX_REGISTRY= (empty), Hex and git get what upstream has.
services:
  mirror:
    image: \${MIRROR_IMAGE:-mirror-server}
    command: ["serve", "--watch", "/project"]
    working_dir: /project
    # Not called github.com, so that it reaches GitHub.
    networks: ${list([...(input.networks.length === 0 ? ["default"] : input.networks), "mirror-online"])}
    volumes:${mounts.join("")}
      - ./mirror/certs:/certs
      - mirror-cache:/cache
      - .:/project:ro
    restart: unless-stopped
    stop_grace_period: 15s
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    # To become the owner of these folders, once.
    cap_add: [CHOWN, SETGID, SETUID]
    security_opt: ["no-new-privileges:true"]
    sysctls:
      net.ipv4.ip_unprivileged_port_start: 0
    environment:
      MIRROR_LOCK_NAME: ${yaml(lockName)}${hasConfig ? "\n      MIRROR_CONFIG: mirror.config.json" : ""}${places.join("")}

  ${key(service)}:
    depends_on:${dependencies(input)}
    # On this side only: an alias on the network would hold for the mirror too.
    links: ${links(input, names)}
    # Before the service's own, which it starts with the service's command; Docker forgets what only the image says of both.
    entrypoint: ${asWritten(["sh", "/mirror-setup/entrypoint.sh", ...(input.entrypoint ?? [])])}${input.command === undefined ? "" : `\n    command: ${asWritten(input.command)}`}
    volumes:
      - ./mirror/entrypoint.sh:/mirror-setup/entrypoint.sh:ro
      - ./mirror/certs/public:/mirror-setup/certs:ro
${mount(hex, "/mirror-setup/hex", true).slice(1)}
    environment:
      HEX_REGISTRY: \${HEX_REGISTRY-http://app_deps}
      MIRROR_NAMES: ${yaml(names.join(","))}${repositories.length === 0 ? "" : `\n      MIRROR_REPOSITORIES: ${yaml(repositories.join(","))}`}${policy === undefined ? "" : `\n      HEX_POLICY: ${yaml(policy)}`}
${replacedServices(input)}
networks:${input.isDefaultExternal ? "" : "\n  default:\n    internal: true"}
  mirror-online:
volumes:
  # What can be made again at any time.
  mirror-cache:
`;
}

/** A mount as compose has it; a colon in a folder's name would end it in the short form. */
function mount(source: string, target: string, isReadOnly = false): string {
  if (!source.includes(":")) return `\n      - ${yaml(`${source}:${target}${isReadOnly ? ":ro" : ""}`)}`;
  const long = { type: "bind", source, target, read_only: isReadOnly, bind: { create_host_path: true } };
  return `\n      - ${yaml(long)}`;
}

/** JSON is YAML, but for characters that YAML does not have; compose takes `$` for a variable of its own. */
function yaml(value: unknown): string {
  return asWritten(value).replaceAll("$", "$$$$");
}

/** A service's name, which must not be taken for a number or a truth value. */
function key(name: string): string {
  const isWord = /^[a-z_][\w.-]*$/i.test(name) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(name);
  return isWord ? name : asWritten(name);
}

/** What stands in the project's own compose file: its variables are variables here as well. */
function asWritten(value: unknown): string {
  return printable(JSON.stringify(value));
}

function dependencies({ service, rests }: ComposeProject): string {
  const others = rests[service]?.dependencies;
  const mirror = "\n      mirror:\n        condition: service_healthy";
  return `${others === undefined ? "" : " !override"}${mirror}${waitFor(others ?? {})}`;
}

function waitFor(others: Readonly<Record<string, unknown>>): string {
  return Object.entries(others)
    .map(([name, how]) => `\n      ${key(name)}: ${asWritten(how)}`)
    .join("");
}

function links({ service, rests }: ComposeProject, names: readonly string[]): string {
  const others = rests[service]?.links;
  const own = names.map((name) => `mirror:${name}`);
  return others === undefined ? list(own) : `!override ${list([...others, ...own])}`;
}

function list(texts: readonly string[]): string {
  return `[${texts.map(asWritten).join(", ")}]`;
}

/** They stay in the project's file; a profile that nobody names keeps them from being started. */
function replacedServices({ service, replaced, rests }: ComposeProject): string {
  if (replaced.length === 0) return "";
  const others = Object.entries(rests).filter(([name]) => name !== service);
  return [
    "\n  # The mirror does what these did; they can go from your compose file, and then from here.",
    ...replaced.map((name) => `  ${key(name)}:\n    profiles: ["before-the-mirror"]`),
    ...others.map(([name, rest]) => `  ${key(name)}:${restOf(rest)}`),
    "",
  ].join("\n");
}

function restOf({ dependencies: others, links: kept }: Rest): string {
  return [
    ...(others === undefined ? [] : [`\n    depends_on: !override${waitFor(others) || " {}"}`]),
    ...(kept === undefined ? [] : [`\n    links: !override ${list(kept)}`]),
  ].join("");
}
