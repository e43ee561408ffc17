/** What `init` writes: text for compose, containers, git and CI. Pure. */
import { posix } from "node:path";
import { printable, singleQuoted } from "../text.ts";
import { verificationSwitches } from "../verification.ts";

export interface ComposeInput {
  /** What the app is called in the compose file. */
  readonly service: string;
  /** Hosts whose repositories the app fetches. */
  readonly gitHosts: readonly string[];
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

export function composeOverride({ service, gitHosts, lockName, folders, hasConfig }: ComposeInput): string {
  const names = ["app_deps", ...gitHosts].map((name) => `"mirror:${name}"`).join(", ");
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
#   docker compose -f docker-compose.yml -f docker-compose.mirror.yml up
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
    networks: [default, mirror-online]
    volumes:${mounts.join("")}
      - ./mirror/certs:/certs
      - .:/project:ro
    restart: unless-stopped
    stop_grace_period: 15s
    sysctls:
      net.ipv4.ip_unprivileged_port_start: 0
    environment:
      MIRROR_LOCK_NAME: ${yaml(lockName)}${hasConfig ? "\n      MIRROR_CONFIG: mirror.config.json" : ""}${places.join("")}

  ${service}:
    depends_on:
      mirror:
        condition: service_healthy
    # On this side only: an alias on the network would hold for the mirror too.
    links: [${names}]
    # Takes the place of the image's own entrypoint, and Docker then forgets the image's command: name it in your
    # compose file.
    entrypoint: ["sh", "/mirror-setup/entrypoint.sh"]
    volumes:
      - ./mirror/entrypoint.sh:/mirror-setup/entrypoint.sh:ro
      - ./mirror/certs/public:/mirror-setup/certs:ro
${mount(hex, "/mirror-setup/hex", true).slice(1)}
    environment:
      HEX_REGISTRY: \${HEX_REGISTRY-http://app_deps}

networks:
  default:
    internal: true
  mirror-online:
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
  return printable(JSON.stringify(value)).replaceAll("$", "$$$$");
}

export const entrypoint = `#!/bin/sh
# Written by "mirror-server init --compose"; yours to change. Points Hex, Mix, rebar3, git and curl at the mirror when
# HEX_REGISTRY is set, with every verification on, and then runs the container's command.
set -eu

if [ -z "\${HEX_REGISTRY:-}" ]; then
  echo "mirror: HEX_REGISTRY is not set, so Hex goes online" >&2
  exec "$@"
fi

setup=\${MIRROR_SETUP:-/mirror-setup}
home=\${MIRROR_CLIENT_HOME:-/tmp/mirror-clients}
for file in "$setup/hex/public_key" "$setup/certs/ca.pem"; do
  [ -f "$file" ] || { echo "mirror: $file is missing; fill and start the mirror first" >&2; exit 1; }
done
mkdir -p "$home/hex" "$home/rebar3/.config/rebar3"
key=$(cat "$setup/hex/public_key")

printf "{'\\$repos',#{<<\\"hexpm\\">> => #{url => <<\\"https://repo.hex.pm\\">>,public_key => <<\\"%s\\n\\">>}}}.\\n" "$key" \\
  >"$home/hex/hex.config"
printf '{hex, [{repos, [#{name => <<"hexpm">>, repo_public_key => <<"%s\\n">>, repo_verify => true, repo_verify_origin => true}]}]}.\\n' "$key" \\
  >"$home/rebar3/.config/rebar3/rebar.config"

# Clients replace their authorities by what they are given, so that all of them have to be in one file.
bundle=$home/ca-bundle.pem
: >"$bundle"
for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  if [ -f "$file" ]; then cat "$file" >"$bundle"; break; fi
done
cat "$setup/certs/ca.pem" >>"$bundle"

# What the old stack was made to work with: verification is on here.
for switch in ${verificationSwitches.join(" ")}; do
  if eval "[ -n \\"\\\${$switch+set}\\" ]"; then
    echo "mirror: $switch would turn verification off, and is taken out" >&2
    unset "$switch"
  fi
done
if command -v git >/dev/null 2>&1; then
  for setting in $(git config --name-only --get-regexp '^http\\.(.*\\.)?sslverify$' 2>/dev/null | sort -u); do
    [ "$(git config --type=bool --get "$setting" 2>/dev/null)" = true ] && continue
    count=\${GIT_CONFIG_COUNT:-0}
    export "GIT_CONFIG_KEY_$count=$setting" "GIT_CONFIG_VALUE_$count=true" GIT_CONFIG_COUNT=$((count + 1))
    echo "mirror: $setting would turn verification off, and is taken out" >&2
  done
fi
# Keys for hex.pm are not for the mirror. rebar3 from 3.28 on checks no signature where HEX_MIRROR is set alone.
unset HEX_API_KEY HEX_REPOS_KEY HEX_MIRROR_URL HEX_TRUSTED_MIRROR_URL
export HEX_HOME="$home/hex" HEX_MIRROR="$HEX_REGISTRY" HEX_TRUSTED_MIRROR="$HEX_REGISTRY" HEX_BUILDS_URL="$HEX_REGISTRY" HEX_API_URL="$HEX_REGISTRY/api"
export HEX_CDN="$HEX_REGISTRY" REBAR_GLOBAL_CONFIG_DIR="$home/rebar3" REBAR_CACHE_DIR="$home/rebar3/cache"
export HEX_CACERTS_PATH="$bundle" GIT_SSL_CAINFO="$bundle" CURL_CA_BUNDLE="$bundle" NODE_EXTRA_CA_CERTS="$setup/certs/ca.pem"
exec "$@"
`;

/** @param project from the top of the repository, where git runs hooks: `.`, `apps/web` @param mirror from the project */
export function preCommit(project: string, mirror: string): string {
  return `#!/bin/sh
# Written by "mirror-server init"; yours to change. Refuses a commit whose lock names what the mirror lacks.
# To switch it on, at the top of the repository: ln -s ../../${printable(posix.join(project, "mirror/pre-commit"))} .git/hooks/pre-commit
# mirror-server is what is installed, here or for all: nothing of that name is fetched from anywhere.
project=${singleQuoted(project)}
mirror=${singleQuoted(posix.join(project, mirror))}

# Where the mirror is committed, what is verified has to be what is committed.
if [ -f "$mirror/.gitattributes" ]; then
  changed=$(git --literal-pathspecs ls-files --others --modified --exclude-standard -- "$mirror") || exit 1
  if [ -n "$changed" ]; then
    printf 'mirror: %s has changes that this commit lacks; git add it\\n' "$mirror" >&2
    exit 1
  fi
fi
cd -- "$project" && PATH="$PWD/node_modules/.bin:$PATH" exec mirror-server verify
`;
}

export const workflow = `# Written by "mirror-server init"; yours to change. Fails when the lock names what the committed mirror lacks.
name: mirror
on: [push, pull_request]
permissions:
  contents: read
jobs:
  verify:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      # Where mirror-server comes from: a git URL, a tarball, or a package of a registry of yours.
      - run: npm install --global "$MIRROR_SERVER_PACKAGE"
        env:
          MIRROR_SERVER_PACKAGE: \${{ vars.MIRROR_SERVER_PACKAGE }}
      - run: mirror-server verify
`;

export const gitignoreAll = `# Written by "mirror-server init": this mirror is not committed. To commit it, run "mirror-server init --commit" where
# there is no such file yet.
*
`;

/** Bytes are what is signed: git must neither change ends of lines nor show differences of them. */
export const gitattributes = `# Written by "mirror-server init --commit".
* -text -diff -merge linguist-generated
/history/** merge=union
`;

/** As it was before there was a history. */
export const gitattributesBefore = `# Written by "mirror-server init --commit".
* -text -diff -merge linguist-generated
`;
