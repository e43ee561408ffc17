#!/usr/bin/env bash
# Runs the tests with the clients of another Debian release (Elixir, Erlang, rebar3, git, OpenSSL), which debootstrap puts
# into a folder. Newer clients do what older ones do not: one began to check no signature where HEX_MIRROR is set.
#
#   test/with-debian.sh sid /var/tmp/sid test/e2e/exec test/e2e/rebar3
#
# Needs root, debootstrap and Debian's mirrors. The folder stays for the next run. With MIX_HOME set, and Hex in it, a
# copy of that Hex is used.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=$1
folder=$2
shift 2

if [ ! -e "$folder/usr/bin/elixir" ]; then
  packages=ca-certificates,git,curl,openssl,procps,elixir,erlang-nox,rebar3
  # Packages of desktops, which Erlang brings along, cannot be configured here and are not needed.
  debootstrap --variant=minbase "--include=$packages" "$suite" "$folder" >/dev/null || true
fi
mkdir -p "$folder/node" "$folder/mix"
cp -L "$(command -v node)" "$folder/node/node"
[ -z "${MIX_HOME:-}" ] || cp -R "$MIX_HOME/." "$folder/mix/"
echo "127.0.0.1 localhost" >"$folder/etc/hosts"

rm -rf "$folder/src"
git clone -q . "$folder/src"
cp -R node_modules "$folder/src/"

trap 'umount "$folder/proc" "$folder/dev" 2>/dev/null' EXIT
mountpoint -q "$folder/proc" || mount -t proc proc "$folder/proc"
mountpoint -q "$folder/dev" || mount --bind /dev "$folder/dev"
chroot "$folder" /usr/bin/env -i HOME=/root LANG=C.UTF-8 MIX_HOME=/mix PATH=/node:/usr/bin:/bin:/usr/sbin:/sbin sh -ec '
  cd /src
  elixir --version | tail -1
  rebar3 version || true
  git --version
  node scripts/bootstrap.js compile
  exec node node_modules/vitest/vitest.mjs run --reporter=default "$@"
' sh "$@"
