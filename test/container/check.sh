#!/usr/bin/env bash
# Checks the image, the compose file and what `init` writes with a real engine: run it in the project's folder where
# `docker compose` works (a container rig, a developer's machine), with nothing of this project running. Prints what it
# checked; exit 1 at the first thing that does not hold. Without an engine it says so and checks nothing.
set -euo pipefail

if ! docker compose version >/dev/null 2>&1 || ! docker info >/dev/null 2>&1; then
  echo "container: skipped, since no Docker engine with compose runs here"
  exit 0
fi
docker image inspect mirror-server >/dev/null 2>&1 || docker compose build

. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step "the mirror on a fresh volume is healthy, and runs as node, not as root"
docker compose up -d --wait --no-build mirror
uids=$(docker compose exec -T mirror sh -c 'for p in /proc/[0-9]*; do
  case "$(tr "\0" " " <"$p/cmdline")" in "node "*) stat -c %u "$p" ;; esac; done' 2>/dev/null | sort -u)
[ "$uids" = 1000 ] || fail "node runs as uid $uids"
[ "$(docker compose exec -T mirror stat -c %u /mirror/private_key.pem)" = 1000 ] || fail "the key is not node's"

step "a repository put into the volume is served to the app as https://github.com, certificate verified"
commit=$(seed_repository "$work/seed.git")
docker compose exec -T mirror mkdir -p /mirror/git/github.com/owner
docker compose cp "$work/seed.git" mirror:/mirror/git/github.com/owner/repo.git
cloned=$(docker compose run --rm -T --no-deps app sh -c \
  'git clone -q https://github.com/owner/repo /tmp/c && git -C /tmp/c rev-parse HEAD')
[ "$cloned" = "$commit" ] || fail "cloned $cloned instead of $commit"

step "the mirror finds the app's lock, and knows it by the app's name"
mkdir -p "$work/app"
printf '%%{"jason": {:hex, :jason, "1.4.1"}}\n' >"$work/app/mix.lock"
would=$(APP_DIR="$work/app" docker compose run --rm -T mirror sync --dry-run)
case $would in *"would fetch jason 1.4.1"*) ;; *) fail "sync in the mirror's container said: $would" ;; esac

step "the app has no other network"
docker compose run --rm -T --no-deps app sh -c 'ip route 2>/dev/null || cat /proc/net/route' | grep -qE '^default|^[a-z0-9]+[[:space:]]+00000000' &&
  fail "the app has a default route"

step "the mirror itself does not take itself for github.com"
own=$(docker compose exec -T mirror hostname -I)
for address in $(docker compose exec -T mirror getent hosts github.com | awk '{print $1}'); do
  case " $own " in *" $address "*) fail "github.com leads to the mirror itself" ;; esac
done

step "the image that is published is described: its architectures, its base by digest, what is told of it"
if docker buildx version >/dev/null 2>&1; then
  described=$(scripts/release/image.sh "$work/release" --print)
  for part in linux/amd64 linux/arm64 'node:24-bookworm-slim@sha256:' type=sbom type=provenance; do
    grep -q "$part" <<<"${described//\"type\": \"/type=}" || fail "docker-bake.hcl: no $part in $described"
  done
fi

"$(dirname "$0")/check-users.sh"
"$(dirname "$0")/check-clients.sh"
"$(dirname "$0")/check-old-stack.sh"
"$(dirname "$0")/check-images.sh"

step "all of it holds"
