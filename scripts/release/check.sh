#!/usr/bin/env bash
# check.sh TAG    whether this commit may be released as TAG (v1.2.3): package.json says that version, CHANGELOG.md
# begins with it, and nothing is uncommitted. Exit 1 with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."

tag=${1:?usage: check.sh TAG}
fail() { echo "release: $*" >&2; exit 1; }
version=$(node -p 'require("./package.json").version')
[ "$tag" = "v$version" ] || fail "the tag is $tag, and package.json says $version"
newest=$(sed -n 's/^## //p' CHANGELOG.md | head -1)
[ "${newest%% *}" = "$version" ] || fail "CHANGELOG.md begins with $newest, not with $version"
[ -z "$(git status --porcelain)" ] || fail "there is what is not committed: $(git status --porcelain | head -3 | tr '\n' ' ')"
echo "release: $version"
