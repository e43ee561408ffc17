#!/usr/bin/env bash
# The image as careful people run it: any user, no capabilities, a read-only file system, folders of anybody; and as a
# program like others. Called by check.sh, which see.
set -euo pipefail
cd "$(dirname "$0")/../.."

. test/container/lib.sh
work=$(mktemp -d)
trap 'docker rm -fv check-users >/dev/null 2>&1 || true; docker volume rm check-fresh >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

# start OPTION…    runs the image in the background, and waits until it is healthy
start() {
  docker rm -fv check-users >/dev/null 2>&1 || true
  docker run -d --name check-users --network none "$@" mirror-server >/dev/null
  for _ in $(seq 400); do
    [ "$(docker inspect -f '{{.State.Health.Status}}' check-users)" = healthy ] && return
    sleep 0.05
  done
  docker logs check-users
  fail "not healthy with $*"
}
# milliseconds since 1970
now() { date +%s%3N; }
# user_of_node    as whom the server runs, and with which capabilities
user_of_node() {
  docker exec check-users sh -c 'for p in /proc/[0-9]*; do
    case "$(tr "\\0" " " <"$p/cmdline")" in "node /app"*) sed -n "s/^Uid:[[:space:]]*\\([0-9]*\\).*/\\1/p;s/^CapEff:[[:space:]]*/caps /p" "$p/status" ;; esac; done' | head -2 | tr '\n' ' '
}
runs_as() { [ "$(user_of_node)" = "$1 caps 0000000000000000 " ] || fail "$2: runs as $(user_of_node)"; }
folders=(-v "$work/mirror:/mirror" -v "$work/certs:/certs")

step "a bind mount is served by its owner, and what is written belongs to them"
mkdir -p "$work/mirror" "$work/certs"
chown 1234:1234 "$work/mirror"
start "${folders[@]}"
runs_as 1234 "a bind mount"
[ "$(stat -c %u "$work/mirror/private_key.pem" "$work/certs/ca.key" | sort -u)" = 1234 ] || fail "files belong to another user"

began=$(now)
start "${folders[@]}"
echo "container: started and healthy after $(($(now) - began)) ms"

step "its health is asked without a Node of its own, and said to be bad when it is"
docker exec check-users /usr/local/lib/mirror-server/health.sh || fail "the health check fails"
docker exec check-users sh -c 'mv /app/dist/main.js /tmp/main.js; /usr/local/lib/mirror-server/health.sh; code=$?; mv /tmp/main.js /app/dist/; exit $code' || fail "the health check needs Node"
docker exec check-users sh -c 'for p in /proc/[0-9]*; do
  case "$(tr "\0" " " <"$p/cmdline")" in "node /app"*" serve "*) server=${p#/proc/} ;; esac; done
  kill -STOP "$server"; timeout 20 /usr/local/lib/mirror-server/health.sh; code=$?; kill -CONT "$server"; exit $code' >/dev/null 2>&1 &&
  fail "health says yes where nothing answers"

step "it stops in time, with exit code 0"
docker stop -t 15 check-users >/dev/null
[ "$(docker inspect -f '{{.State.ExitCode}}' check-users)" = 0 ] || fail "exit code $(docker inspect -f '{{.State.ExitCode}}' check-users)"

step "a mirror mounted read-only is served as it is, and nobody is told to change that"
start -v "$work/mirror:/mirror:ro"
start -v "$work/mirror:/mirror:ro" -v "$work/certs:/certs:ro"
said=$(docker logs check-users 2>&1)
grep -q "belongs to user" <<<"$said" && fail "it says: $said"

step "who may not write a folder is told how to"
said=$(docker run --rm --network none --user 4711 -v "$work/mirror:/mirror" mirror-server --version 2>&1)
grep -q "belongs to user 1234, and this is user 4711.*--user 1234:" <<<"$said" || fail "it says: $said"

step "a server that its arguments put on another port is found by the health check"
docker rm -fv check-users >/dev/null
docker run -d --name check-users --network none -v "$work/mirror:/mirror" -v "$work/certs:/certs" mirror-server serve --port 8080 >/dev/null
for _ in $(seq 400); do
  [ "$(docker inspect -f '{{.State.Health.Status}}' check-users)" = healthy ] && break
  sleep 0.05
done
[ "$(docker inspect -f '{{.State.Health.Status}}' check-users)" = healthy ] || fail "not healthy on another port"

step "what a bind mount holds keeps its owner"
mkdir -p "$work/others/hex" "$work/other-certs"
touch "$work/others/hex/of-4321" "$work/other-certs/README.md"
chown -R 1234:1234 "$work/others" && chown 4321:4321 "$work/others/hex/of-4321" && chown 4321:4321 "$work/other-certs/README.md"
start -v "$work/others:/mirror" -v "$work/other-certs:/certs"
[ "$(stat -c %u "$work/others/hex/of-4321" "$work/other-certs/README.md" | sort -u)" = 4321 ] || fail "what a mount holds was given away"

step "nothing is given away through links, nor because it cannot be looked into, nor where it is not there yet"
mkdir -p "$work/planted" "$work/victim" "$work/private" "$work/foreign-certs"
touch "$work/planted/own" "$work/private/own" "$work/foreign-certs/own"
ln -s /victim "$work/planted/public"
chown -R 1234:1234 "$work/planted" "$work/foreign-certs"
chown -h 0:0 "$work/planted/public"
chown -R 1000:1000 "$work/private" && chmod 700 "$work/private"
powers=(--cap-drop ALL --cap-add CHOWN --cap-add SETUID --cap-add SETGID)
docker run --rm --network none -v "$work/planted:/mirror" -v "$work/planted:/certs" -v "$work/victim:/victim" mirror-server --version >/dev/null
docker run --rm --network none "${powers[@]}" -v "$work/private:/mirror" -v "$work/foreign-certs:/certs" mirror-server --version >/dev/null 2>&1 || true
[ "$(stat -c %u "$work/victim" "$work/private" "$work/private/own" "$work/foreign-certs" | tr '\n' ' ')" = "0 1000 1000 1234 " ] ||
  fail "given away: $(stat -c '%u %n' "$work/victim" "$work/private" "$work/private/own" "$work/foreign-certs")"
mkdir -p "$work/late" && chown 1234:1234 "$work/late" && echo '%{}' >"$work/late/mix.lock" && chown 1234:1234 "$work/late/mix.lock"
docker run --rm --network none -v "$work/late:/project" -w /project -e MIRROR_DIR=/project/.mirror -e MIRROR_CERTS_DIR=/project/certs \
  mirror-server sync >/dev/null || fail "a mirror that is not there yet"
[ "$(stat -c %u "$work/late/.mirror/mirror.json")" = 1234 ] || fail "a new mirror is not its folder's owner's"

hard=(--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges)
for who in 1000:1000 4711 4711:4711; do
  step "as user $who, without capabilities, on a read-only file system"
  docker volume rm check-fresh >/dev/null 2>&1 || true
  start "${hard[@]}" --user "$who" -v check-fresh:/mirror
  runs_as "${who%%:*}" "--user $who"
  docker exec check-users mirror-server verify --json >/dev/null || [ $? = 2 ] || fail "a command in the container"
  docker rm -fv check-users >/dev/null
done

step "as root that may become nobody; and as root that may"
start "${hard[@]}"
runs_as 0 "--cap-drop ALL"
start "${hard[@]}" --cap-add SETUID --cap-add SETGID --cap-add CHOWN "${folders[@]}"
runs_as 1234 "--cap-add SETUID"

step "without a folder for temporary files it says which one it lacks; one is enough, whichever it is"
said=$(docker run --rm --network none --read-only mirror-server 2>&1) && fail "it runs without one"
grep -q -- "--tmpfs /tmp" <<<"$said" || fail "it says: $said"
start --read-only --tmpfs /cache --user 4711

step "any other program of the image runs; its own commands do whatever else is called like that"
[ "$(docker run --rm --network none mirror-server sh -c 'echo from sh')" = "from sh" ] || fail "sh"
[ "$(docker run --rm --network none mirror-server --version)" = "$(docker run --rm --network none mirror-server mirror-server --version)" ] || fail "--version"
said=$(docker run --rm --network none mirror-server env 2>&1 || true)
grep -q "mirror-server" <<<"$said" || fail "env is not ours: $said"
said=$(docker run --rm --network none mirror-server help laptop)
grep -q "On a laptop" <<<"$said" || fail "no guides in the image"
said=$(docker run --rm --network none mirror-server sycn 2>&1) && fail "a mistyped command succeeds"
grep -q "unknown command 'sycn'" <<<"$said" || fail "a mistyped command says: $said"
mkdir -p "$work/app" && echo '%{}' >"$work/app/mix.lock"
said=$(docker run --rm --network none -v "$work/app:/project" mirror-server sync /project 2>&1) || fail "sync: $said"

step "what is added to its base is small, and apt works on it"
base=$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)
added=$((($(docker image inspect -f '{{.Size}}' mirror-server) - $(docker image inspect -f '{{.Size}}' "$base")) / 1000000))
echo "container: it adds $added MB"
docker build -q --network host -t check-derived - >/dev/null <<'DOCKERFILE' || fail "nothing can be built upon it"
FROM mirror-server
RUN apt-get update && apt-get install -y --no-install-recommends git-email
DOCKERFILE
docker run --rm --network none check-derived perl -MError -e 1 || fail "a part of git that needs Perl has none"
docker rmi -f check-derived >/dev/null
[ "$added" -le 120 ] || fail "it adds $added MB"
docker run --rm --network none --entrypoint sh mirror-server -c 'apt-get check -qq && ! command -v perl-config' || fail "apt finds its packages broken"
