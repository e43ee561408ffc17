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
owner() { stat -c %u "$1"; }
group() { stat -c %g "$1"; }

# Everything below is for who may become somebody: root, with these powers, that is root outside as well.
may_become_others() {
  [ "$(id -u)" = 0 ] || return 1
  read -r _ outside _ </proc/self/uid_map
  [ "$outside" = 0 ] || return 1
  setpriv --reuid=node --regid=node --clear-groups -- true 2>/dev/null
}

# As the image or an engine makes it: nothing is in it but a folder that an engine made for another container's mount.
is_fresh() {
  case $(owner "$1") in 0 | "$(id -u node)") ;; *) return 1 ;; esac
  for entry in "$1"/* "$1"/.[!.]*; do
    [ ! -e "$entry" ] || [ "${entry##*/}" = public ] || return 1
  done
}

# `init` is about the project that it is run in, not about the image's folders, and what it writes is its owner's.
if [ "${1:-}" = init ]; then
  unset MIRROR_DIR MIRROR_CERTS_DIR MIRROR_CACHE_DIR
  if may_become_others && [ "$(owner .)" != 0 ]; then
    become "$(owner .)" "$(group .)" "$@"
  fi
  export HOME=/tmp
  run "$@"
fi

if may_become_others; then
  uid=$(owner "$MIRROR_DIR")
  gid=$(group "$MIRROR_DIR")
  if is_fresh "$MIRROR_DIR" && ! is_fresh "$MIRROR_CERTS_DIR"; then
    uid=$(owner "$MIRROR_CERTS_DIR")
    gid=$(group "$MIRROR_CERTS_DIR")
  fi
  if [ "$uid" = 0 ] || { is_fresh "$MIRROR_DIR" && is_fresh "$MIRROR_CERTS_DIR"; }; then
    uid=$(id -u node)
    gid=$(id -g node)
  fi
  for folder in "$MIRROR_CERTS_DIR/public" "$MIRROR_CERTS_DIR" "$MIRROR_CACHE_DIR" "$MIRROR_DIR"; do
    # A link may lead anywhere.
    [ -d "$folder" ] && [ ! -L "$folder" ] || continue
    if { [ "$(owner "$folder")" = 0 ] || is_fresh "$folder"; } && [ "$(owner "$folder")" != "$uid" ]; then
      chown "$uid:$gid" "$folder" 2>/dev/null || true # what is mounted read-only is read as it is
    fi
  done
  become "$uid" "$gid" "$@"
fi

# One folder for temporary files is enough, whichever it is.
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
if [ ! -w "$MIRROR_DIR" ] && [ "${1:-serve}" != health ] && ! grep -q "^[^ ]* $MIRROR_DIR [^ ]* ro[, ]" /proc/mounts; then
  tell "$MIRROR_DIR belongs to user $(owner "$MIRROR_DIR"), and this is user $(id -u): it is read as it is. To have it written," \
    "start with --user $(owner "$MIRROR_DIR"):$(group "$MIRROR_DIR"), or give it to $(id -u) (chown)"
fi
run "$@"
