#!/usr/bin/env bash
# sign.sh FOLDER    signs the image that image.sh has pushed, by its digest, and the checksums of the package, in the name of
# the workflow that runs this (cosign, without keys of our own).
set -euo pipefail

out=${1:?usage: sign.sh FOLDER}
digest=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).release["containerimage.digest"]' "$out/image.json")
image=${IMAGE:-ghcr.io/mirror-server/mirror-server}
cosign sign --yes "$image@$digest"
cosign sign-blob --yes --bundle "$out/SHA256SUMS.sigstore.json" "$out/SHA256SUMS"
