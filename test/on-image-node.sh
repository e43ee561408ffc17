#!/usr/bin/env bash
# Runs what depends on Node itself (keys, certificates, HTTP, files) on the version that the image ships: once a call
# that every other version allows failed there. Needs the npm registry; says so and does nothing where that has no such
# Node for this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^ARG NODE_IMAGE=node:\([0-9]*\).*/\1/p' Dockerfile | head -1)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

npm install --prefix "$folder" --no-audit --no-fund --loglevel error "node@$version" >/dev/null 2>&1 || true
node=$folder/node_modules/.bin/node
if ! "$node" --version >/dev/null 2>&1; then
  echo "skipped: no Node $version to be had for the tests on the image's version"
  exit 0
fi
echo "on Node $("$node" --version):"
PATH="$folder/node_modules/.bin:$PATH" "$node" node_modules/vitest/vitest.mjs run --reporter=default \
  test/hex test/registry test/serve test/disk test/tls \
  test/e2e/files test/e2e/organisations test/e2e/places test/e2e/rebar3 test/e2e/server test/e2e/sync
PATH="$folder/node_modules/.bin:$PATH" test/torture/run.sh --reporter=default rude-clients listen side-by-side
