#!/usr/bin/env bash
# package.sh FOLDER    puts there what is published besides the image: the package as npm takes it, what it is made of
# (CycloneDX), checksums of both, and what is new.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:?usage: package.sh FOLDER}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# What an earlier run left there is not this release's.
rm -f "$out"/mirror-server-*.tgz
npm pack --silent --pack-destination "$out" >/dev/null
cp dist/sbom.cdx.json "$out/mirror-server.cdx.json"
# The newest section: what is new.
awk '/^## /{sections++} sections == 1' CHANGELOG.md >"$out/notes.md"
(cd "$out" && sha256sum mirror-server-*.tgz mirror-server.cdx.json >SHA256SUMS)
ls "$out"
