#!/bin/sh
# mirror-server within the image: becomes the user whose folders these are, then runs the program with the arguments given.
#
# Started as root, it takes on the owner of the mirror's folder, or, while that is fresh, of the certificates' folder, or
# `node`. What a mount holds is never given to somebody else; a folder that is root's or fresh, and nothing in it, is.
# Started as another user already (`user:`, `--user`, runAsUser), or as a root that may not become anybody (--cap-drop ALL),
# or as one that is an ordinary user outside (rootless engines), it stays who it is.
set -eu

run() { exec node /app/dist/main.js "$@"; }
# become UID GID ARGUMENT…   begins anew as that user
become() {
  as_user=$1 as_group=$2
  shift 2
  exec setpriv --reuid="$as_user" --regid="$as_group" --clear-groups -- "$0" "$@"
}
tell() { printf 'mirror-server: %s\n' "$*" >&2; }
# nearest PATH   as much of it as there is
nearest() {
  place=$1
  while [ ! -e "$place" ] && [ "$place" != / ] && [ "$place" != . ]; do place=$(dirname -- "$place"); done
  printf %s "$place"
}
owner() { stat -L -c %u -- "$(nearest "$1")"; }
group() { stat -L -c %g -- "$(nearest "$1")"; }

# Everything below is for who may become somebody: root, with these powers, that is root outside as well.
may_become_others() {
  [ "$(id -u)" = 0 ] || return 1
  read -r _ outside _ </proc/self/uid_map
  [ "$outside" = 0 ] || return 1
  setpriv --reuid=node --regid=node --clear-groups -- true 2>/dev/null
}

# Not there yet; or as the image or an engine makes it, with nothing in it but a folder that an engine made for another
# container's mount. One that cannot be read holds who knows what.
is_fresh() {
  [ -e "$1" ] || return 0
  case $(owner "$1") in 0 | "$(id -u node)") ;; *) return 1 ;; esac
  [ -r "$1" ] && [ -x "$1" ] || return 1
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then [ "${entry##*/}" = public ] || return 1; fi
  done
}

# give FOLDER UID GID   where it is nobody's yet: root's, or fresh. A link may lead anywhere.
give() {
  [ ! -L "$1" ] || return 0
  if [ ! -e "$1" ]; then
    # Who owns what is above it makes it themselves.
    [ "$(owner "$1")" != "$2" ] && mkdir -p -- "$1" 2>/dev/null || return 0
  fi
  [ -d "$1" ] && [ "$(owner "$1")" != "$2" ] || return 0
  if [ "$(owner "$1")" = 0 ] || is_fresh "$1"; then
    chown -h "$2:$3" "$1" 2>/dev/null || true # what is mounted read-only is read as it is
  fi
}

case ${1:-} in
  # Of the project that it is run in, not of the image's folders, and what it writes is its owner's.
  init)
    unset MIRROR_DIR MIRROR_CERTS_DIR MIRROR_CACHE_DIR
    if may_become_others && [ "$(owner .)" != 0 ]; then become "$(owner .)" "$(group .)" "$@"; fi
    export HOME=/tmp
    run "$@"
    ;;
  # The command that it runs is whoever's who asks for it.
  exec) ;;
  *)
    if may_become_others; then
      uid=$(owner "$MIRROR_DIR")
      gid=$(group "$MIRROR_DIR")
      if is_fresh "$MIRROR_DIR" && ! is_fresh "$MIRROR_CERTS_DIR"; then
        uid=$(owner "$MIRROR_CERTS_DIR")
        gid=$(group "$MIRROR_CERTS_DIR")
      fi
      if [ "$uid" = 0 ]; then
        uid=$(id -u node)
        gid=$(id -g node)
      fi
      for folder in "$MIRROR_CERTS_DIR/public" "$MIRROR_CERTS_DIR" "$MIRROR_CACHE_DIR" "$MIRROR_DIR"; do
        if [ -e "$folder" ] || [ "$folder" != "$MIRROR_CERTS_DIR/public" ]; then give "$folder" "$uid" "$gid"; fi
      done
      become "$uid" "$gid" "$@"
    fi
    ;;
esac

# One folder for temporary files is enough, whichever it is.
mkdir -p -m 700 -- "$MIRROR_CACHE_DIR" 2>/dev/null || true
if [ ! -w "$MIRROR_CACHE_DIR" ]; then
  if [ ! -w /tmp ]; then
    tell "the file system is read-only, and there is no folder for temporary files: add --tmpfs /tmp (compose: tmpfs: [/tmp];" \
      "Kubernetes: an emptyDir that is mounted at /tmp)"
    exit 2
  fi
  export MIRROR_CACHE_DIR=/tmp/mirror-server
  mkdir -p -m 700 "$MIRROR_CACHE_DIR"
elif [ ! -w /tmp ]; then
  export TMPDIR="$MIRROR_CACHE_DIR/tmp"
  mkdir -p -m 700 "$TMPDIR"
fi
[ -w "${HOME:-/nowhere}" ] || export HOME="$MIRROR_CACHE_DIR"
if [ "${1:-serve}" != health ]; then
  for folder in "$MIRROR_DIR" "$MIRROR_CERTS_DIR"; do
    # What lies on a file system that nobody may write to is read as it is, and nobody need do anything about it.
    if [ -d "$folder" ] && [ ! -w "$folder" ] && ! touch "$folder/.mirror-server" 2>&1 | grep -q "Read-only file system"; then
      tell "$folder belongs to user $(owner "$folder"), and this is user $(id -u): it is read as it is. To have it written," \
        "start with --user $(owner "$folder"):$(group "$folder"), or give it to $(id -u) (chown)"
    fi
  done
fi
run "$@"
