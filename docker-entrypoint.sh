#!/bin/sh
# Becomes the user who owns the mirror's folder, then runs mirror-server with the arguments given.
#
# A fresh volume belongs to root: it is given to `node`. A bind mount belongs to whoever made it on the host: its owner
# is the user to run as, so that what the container writes is theirs. Started as another user already (`user:` in
# compose, `docker run --user`), there is nothing to do.
set -eu

run() { exec "$@"; }

# `init` is about the project that it is run in, not about the image's folders, and what it writes is its owner's.
if [ "${1:-}" = init ]; then
  unset MIRROR_DIR MIRROR_CERTS_DIR MIRROR_CACHE_DIR
  uid=$(stat -c %u .)
  gid=$(stat -c %g .)
  export HOME=/tmp
  if [ "$(id -u)" = 0 ] && [ "$uid" != 0 ]; then
    run() { exec setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"; }
  fi
  run node /app/dist/main.js "$@"
fi

if [ "$(id -u)" = 0 ]; then
  uid=$(stat -c %u "$MIRROR_DIR")
  gid=$(stat -c %g "$MIRROR_DIR")
  if [ "$uid" = 0 ]; then
    uid=$(id -u node)
    gid=$(id -g node)
    chown -R "$uid:$gid" "$MIRROR_DIR" 2>/dev/null || true # a mirror mounted read-only is read as it is
  fi
  # The last one an engine may have made just now, as root, for another container's mount.
  for folder in "$MIRROR_CERTS_DIR" "$MIRROR_CACHE_DIR" "$MIRROR_CERTS_DIR/public"; do
    if [ -e "$folder" ] && [ "$(stat -c %u "$folder")" != "$uid" ]; then
      chown -R "$uid:$gid" "$folder" 2>/dev/null || true
    fi
  done
  export HOME="$MIRROR_CACHE_DIR"
  run() { exec setpriv --reuid="$uid" --regid="$gid" --clear-groups -- "$@"; }
fi

run node /app/dist/main.js "$@"
