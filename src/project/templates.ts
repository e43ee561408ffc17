/** What `init` writes for containers, git and CI. Pure. */
import { posix } from "node:path";
import { printable, shellQuoted, singleQuoted } from "../text.ts";
import { verificationSwitches } from "../verification.ts";

export const entrypoint = `#!/bin/sh
# Written by "mirror-server init --compose"; yours to change. Points Hex, Mix, rebar3, git and curl at the mirror when
# HEX_REGISTRY is set, with every verification on, and then runs the service's own entrypoint and command.
set -eu

if [ $# -eq 0 ]; then
  echo "mirror: there is no command to run; name one for this service in your compose file" >&2
  exit 1
fi

if [ -z "\${HEX_REGISTRY:-}" ]; then
  echo "mirror: HEX_REGISTRY is not set, so Hex goes online" >&2
  exec "$@"
fi

HEX_REGISTRY=\${HEX_REGISTRY%/}
setup=\${MIRROR_SETUP:-/mirror-setup}
home=\${MIRROR_CLIENT_HOME:-/tmp/mirror-clients}
for file in "$setup/hex/public_key" "$setup/certs/ca.pem"; do
  [ -f "$file" ] || { echo "mirror: $file is missing; fill and start the mirror first" >&2; exit 1; }
done
mkdir -p "$home/hex" "$home/rebar3/.config/rebar3"
key=$(cat "$setup/hex/public_key")

# Repositories of the mirror's own, which nothing else tells of.
hex= rebar3=
for name in $(echo "\${MIRROR_REPOSITORIES:-}" | tr , ' '); do
  hex="$hex$(printf ',<<"%s">> => #{url => <<"%s/repos/%s">>,public_key => <<"%s\\n">>,auth_key => nil,oauth_exchange => false}' "$name" "$HEX_REGISTRY" "$name" "$key")"
  rebar3="$rebar3$(printf ', #{name => <<"%s">>, repo_url => <<"%s/repos/%s">>, repo_public_key => <<"%s\\n">>, repo_verify => true, repo_verify_origin => true}' "$name" "$HEX_REGISTRY" "$name" "$key")"
done
printf "{'\\$repos',#{<<\\"hexpm\\">> => #{url => <<\\"https://repo.hex.pm\\">>,public_key => <<\\"%s\\n\\">>}%s}}.\\n" "$key" "$hex" \\
  >"$home/hex/hex.config"
printf '{hex, [{repos, [#{name => <<"hexpm">>, repo_public_key => <<"%s\\n">>, repo_verify => true, repo_verify_origin => true}%s]}]}.\\n' "$key" "$rebar3" \\
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
# Rules of the image's own, such as one that sends git to ssh, do not lead past the mirror: git reads these first.
names=\${MIRROR_NAMES:-app_deps}
: >"$home/gitconfig"
for name in $(echo "$names" | tr , ' '); do
  [ "$name" != app_deps ] || continue
  for form in "https://$name/" "http://$name/" "git://$name/" "ssh://git@$name/" "git@$name:"; do
    printf '[url "https://%s/"]\\n\\tinsteadOf = "%s"\\n' "$name" "$form" >>"$home/gitconfig"
  done
done
system=\${GIT_CONFIG_SYSTEM:-/etc/gitconfig}
[ "$system" != "$home/gitconfig" ] || system=/etc/gitconfig
printf '[include]\\n\\tpath = "%s"\\n' "$system" >>"$home/gitconfig"
export GIT_CONFIG_SYSTEM="$home/gitconfig"
unset GIT_CONFIG_NOSYSTEM

# A proxy of the engine's does not know the mirror, and offline Hex would not ask it.
case "\${NO_PROXY:-} \${no_proxy:-}" in
*"*"*) without="*" ;;
*) without="\${NO_PROXY:+$NO_PROXY,}\${no_proxy:+$no_proxy,}$names" ;;
esac
export NO_PROXY="$without" no_proxy="$without" HEX_OFFLINE=0
# rebar3 before 3.28 reads this one, and no list of hosts without proxy.
if [ -n "\${http_proxy:-}" ]; then export HTTP_PROXY="\${HTTP_PROXY:-$http_proxy}" http_proxy=""; fi

# Keys for hex.pm are not for the mirror. rebar3 from 3.28 on checks no signature where HEX_MIRROR is set alone.
unset HEX_API_KEY HEX_REPOS_KEY HEX_MIRROR_URL HEX_TRUSTED_MIRROR_URL
export HEX_HOME="$home/hex" HEX_MIRROR="$HEX_REGISTRY" HEX_TRUSTED_MIRROR="$HEX_REGISTRY" HEX_BUILDS_URL="$HEX_REGISTRY" HEX_API_URL="$HEX_REGISTRY/api"
export HEX_CDN="$HEX_REGISTRY" REBAR_GLOBAL_CONFIG_DIR="$home/rebar3" REBAR_CACHE_DIR="$home/rebar3/cache"
export HEX_CACERTS_PATH="$bundle" GIT_SSL_CAINFO="$bundle" CURL_CA_BUNDLE="$bundle" NODE_EXTRA_CA_CERTS="$setup/certs/ca.pem"
export GLEAM_CACERTS_PATH="$setup/certs/ca.pem"
exec "$@"
`;

/** @param project from the top of the repository, where git runs hooks: `.`, `apps/web` @param mirror from the project */
export function preCommit(project: string, mirror: string): string {
  return `#!/bin/sh
# Written by "mirror-server init"; yours to change. Refuses a commit whose lock names what the mirror lacks.
# To switch it on, at the top of the repository: ln -s ${printable(shellQuoted(posix.join("../..", project, "mirror/pre-commit")))} .git/hooks/pre-commit
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
/added/** merge=union
`;

/** As it was before there was a history, and before anything could be added. */
export const gitattributesBefore = [
  `# Written by "mirror-server init --commit".
* -text -diff -merge linguist-generated
`,
  `# Written by "mirror-server init --commit".
* -text -diff -merge linguist-generated
/history/** merge=union
`,
];
