#!/usr/bin/env bash
# A project with the stack that this replaces, set up by `init` from the image and brought up: its own entrypoint runs, its
# own folders are served where they are, and its old services are not started. Called by check.sh after check-clients.sh, whose
# image it uses.
set -euo pipefail
cd "$(dirname "$0")/../.."

. test/container/lib.sh
work=$(mktemp -d)
files=(-f "$work/app/docker-compose.yml" -f "$work/app/docker-compose.mirror.yml")
compose() { docker compose -p check-old-stack --project-directory "$work/app" "${files[@]}" "$@"; }
trap 'compose down -v -t 2 >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

step "a project with the older stack beside its lock"
mkdir -p "$work/app/.git_repo/owner"
cp -r test/fixtures/golden/hex "$work/app/.hex_repo"
cp test/fixtures/golden/private_key.pem "$work/app/"
commit=$(seed_repository "$work/app/.git_repo/owner/repo.git")
cat >"$work/app/docker-compose.yml" <<'YAML'
services:
  git_deps:
    image: nowhere/nginx-with-git
    volumes: ["./.git_repo:/srv/git"]
  app_deps:
    image: nowhere/nginx
    volumes: ["./.hex_repo:/usr/share/nginx/html"]
  app:
    image: check-clients
    entrypoint: ./docker-entrypoint.sh
    command: sleep infinity
    working_dir: /project
    volumes: [".:/project"]
    depends_on: [app_deps, git_deps]
    links: ["app_deps:app_deps", "git_deps:github.com"]
    environment:
      GIT_SSL_NO_VERIFY: "true"
      HEX_REGISTRY: "http://app_deps:80"
    healthcheck: {test: ["CMD", "test", "-e", "/project/ready"], interval: 1s, retries: 60}
YAML
cat >"$work/app/docker-entrypoint.sh" <<'SH'
#!/bin/sh
set -e
mix deps.get
rebar3 get-deps
touch ready
exec "$@"
SH
chmod +x "$work/app/docker-entrypoint.sh"
cat >"$work/app/mix.exs" <<'ELIXIR'
defmodule App.MixProject do
  use Mix.Project
  def project, do: [app: :app, version: "0.1.0", deps: [{:repo, git: "https://github.com/owner/repo.git", app: false, compile: false}]]
end
ELIXIR
printf '%%{"repo": {:git, "https://github.com/owner/repo.git", "%s", []}}\n' "$commit" >"$work/app/mix.lock"
mkdir "$work/app/src"
echo '{deps, [{elm, "0.0.1"}]}.' >"$work/app/rebar.config"
echo '{application, app, [{vsn, "1"}, {applications, [kernel, stdlib]}]}.' >"$work/app/src/app.app.src"
chown -R 1234:1234 "$work/app"

step "init says what is not needed any more, and warns of the key"
said=$(docker run --rm --network none -v "$work/app:/project" -w /project mirror-server init --compose)
grep -q "git_deps and app_deps of docker-compose.yml did what the mirror does" <<<"$said" || fail "init said: $said"
grep -q "the registry's key private_key.pem may be read by others" <<<"$said" || fail "init said nothing of the key: $said"

step "it comes up: the project's own entrypoint fetched everything, from the mirror and with verification"
compose up -d --wait || { compose logs; fail "it does not come up"; }
[ "$(git -C "$work/app/deps/repo" -c safe.directory='*' rev-parse HEAD)" = "$commit" ] || fail "another commit was fetched"
[ -e "$work/app/_build/default/lib/elm" ] || fail "elm was not fetched"
[ "$(compose ps --services | sort | tr '\n' ' ')" = "app mirror " ] || fail "started: $(compose ps --services)"
