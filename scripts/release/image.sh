#!/usr/bin/env bash
# image.sh FOLDER [OPTION…]    builds the image for both architectures, with what it is made of and how, by
# docker-bake.hcl; options are buildx's: --push publishes it, --print only tells. Its digest is then in FOLDER/image.json.
# Needs a builder that can do several platforms: docker buildx create --use
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:?usage: image.sh FOLDER [OPTION…]}
shift
mkdir -p "$out"
export VERSION REVISION CREATED
VERSION=$(node -p 'require("./package.json").version')
REVISION=$(git rev-parse HEAD)
# Of the commit, so that the same commit makes the same image.
CREATED=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
docker buildx bake --metadata-file "$out/image.json" "$@" release
