#!/usr/bin/env bash
# Real clients in containers that reach nothing but the mirror: with the compose file that `init` writes, and with the
# names of the hosts that they ask by default. Called by check.sh, which see; needs to build an image with apt.
set -euo pipefail
cd "$(dirname "$0")/../.."

. test/container/lib.sh
work=$(mktemp -d)
files=(-f "$work/app/docker-compose.yml" -f "$work/app/docker-compose.mirror.yml")
compose() { docker compose -p check-clients --project-directory "$work/app" "${files[@]}" "$@"; }
trap 'compose down -v -t 2 >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
mirror_server() {
  docker run --rm --network none -v "$work/app:/project" -w /project -e MIRROR_DIR=/project/.mirror \
    -e MIRROR_CERTS_DIR=/project/mirror/certs mirror-server "$@"
}

step "an image with Mix and rebar3"
docker build -q --network host -t check-clients - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl elixir git rebar3 && rm -rf /var/lib/apt/lists/*
DOCKERFILE

step "a project with a compose file of its own, and a mirror that was filled elsewhere"
mkdir -p "$work/app/src" "$work/app/.mirror/hex" "$work/app/.mirror/upstream/hexpm" "$work/app/.mirror/git/github.com/owner"
cp -r test/fixtures/golden/hex/tarballs "$work/app/.mirror/hex/"
# Records as upstream signed them, with another key than the mirror's.
cp -r test/fixtures/golden/hex/packages test/fixtures/golden/hex/public_key "$work/app/.mirror/upstream/hexpm/"
commit=$(seed_repository "$work/app/.mirror/git/github.com/owner/repo.git")
cat >"$work/app/docker-compose.yml" <<'YAML'
services:
  web:
    image: check-clients
    entrypoint: ["sh", "own-entrypoint.sh"]
    command: ["sleep", "infinity"]
    working_dir: /project
    volumes: [".:/project"]
networks:
  default:
    internal: true
YAML
cat >"$work/app/mix.exs" <<'ELIXIR'
defmodule App.MixProject do
  use Mix.Project
  def project, do: [app: :app, version: "0.1.0", deps: [{:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}]]
end
ELIXIR
printf '%%{"repo": {:git, "https://github.com/owner/repo.git", "%s", []}}\n' "$commit" >"$work/app/mix.lock"
echo '{deps, [{elm, "0.0.1"}]}.' >"$work/app/rebar.config"
printf 'echo "own entrypoint: $HEX_REGISTRY"; touch own-entrypoint-ran; exec "$@"\n' >"$work/app/own-entrypoint.sh"
# Its owner, as on a developer's machine, is not root.
own() { chown -R 1234:1234 "$work/app"; }
echo '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.' >"$work/app/src/app.app.src"

own

step "init from the image writes beside it as its owner, and a second run changes nothing"
init() { docker run --rm --network none -v "$work/app:/project" -w /project mirror-server init --compose; }
# Kept first: `grep -q` would close the pipe while the engine still writes.
said=$(init)
grep -q "wrote docker-compose.mirror.yml" <<<"$said" || fail "init wrote no compose file: $said"
[ "$(stat -c %u "$work/app/docker-compose.mirror.yml" "$work/app/mirror/entrypoint.sh" | sort -u)" = 1234 ] || fail "what init wrote belongs to another user"
said=$(init)
if grep -q "^wrote" <<<"$said"; then fail "init wrote again: $said"; fi
mirror_server build >/dev/null

step "what it wrote comes up, and the app starts when the mirror is healthy"
compose up -d --wait || { compose logs; fail "it does not come up"; }
[ -e "$work/app/own-entrypoint-ran" ] || fail "the service's own entrypoint did not run"
compose exec -T web sh -c 'cat /proc/net/route' | grep -qE '^[a-z0-9]+[[:space:]]+00000000' && fail "the app has a default route"

step "mix deps.get of git dependencies at https://github.com, verification on"
compose run --rm -T --no-deps web mix deps.get || fail "mix deps.get"
[ "$(git -C "$work/app/deps/repo" -c safe.directory='*' rev-parse HEAD)" = "$commit" ] || fail "another commit was fetched"

step "rebar3 fetches Hex packages, signature and origin verified"
compose run --rm -T --no-deps web rebar3 get-deps || fail "rebar3 get-deps"
[ -e "$work/app/_build/default/lib/elm" ] || fail "elm was not fetched"

step "the keys are not in the app's container"
if compose exec -T web sh -c 'ls /mirror-setup/certs /mirror-setup/hex' | grep -qE '\.key|private'; then fail "a key is mounted"; fi

step "unmodified clients that trust the CA, by the names that they ask by default"
network=$(docker network ls -q -f name=check-clients_default)
mirror=$(compose ps -q mirror)
rm -rf "$work/app/deps" "$work/app/_build" "$work/app/rebar.lock"
address=$(docker inspect -f '{{(index .NetworkSettings.Networks "check-clients_default").IPAddress}}' "$mirror")
hosts=(); for name in github.com repo.hex.pm builds.hex.pm hex.pm app_deps; do hosts+=(--add-host "$name:$address"); done
docker run --rm --network "$network" "${hosts[@]}" -v "$work/app:/project" -w /project \
  -v "$work/app/mirror/certs/public/ca.pem:/usr/local/share/ca-certificates/mirror.crt:ro" check-clients sh -euc '
  update-ca-certificates >/dev/null 2>&1
  mkdir -p ~/.config/rebar3
  # Upstream here is not hex.pm, so its key takes the place of the one that rebar3 has built in; the URL is the default.
  printf "{ssl_cacerts_path, \"/etc/ssl/certs/ca-certificates.crt\"}.\n{hex, [{repos, [#{name => <<\"hexpm\">>, repo_public_key => <<\"%s\n\">>}]}]}.\n" \
    "$(cat .mirror/upstream/hexpm/public_key)" >~/.config/rebar3/rebar.config
  for host in github.com repo.hex.pm builds.hex.pm hex.pm app_deps; do curl -sS -o /dev/null "https://$host/"; done
  curl -sSf https://builds.hex.pm/installs/hex-1.x.csv
  curl -sSf https://hex.pm/api/packages/elm | grep -q elm
  mix deps.get
  rebar3 get-deps
' || fail "an unmodified client"
[ -e "$work/app/_build/default/lib/elm" ] && [ -d "$work/app/deps/repo" ] || fail "nothing was fetched"
