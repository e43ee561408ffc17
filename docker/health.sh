#!/bin/bash
# The image's health check, every few seconds: asks as `mirror-server health` does, without starting a Node for it. Where
# that is not answered with "200", or the server is elsewhere, that command asks, and says what is wrong.
if [ "${MIRROR_HOST:-0.0.0.0}" = 0.0.0.0 ] && exec 3<>"/dev/tcp/127.0.0.1/${MIRROR_PORT:-80}"; then
  printf 'GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n' >&3
  read -r -t 5 _ status _ <&3
  [ "$status" = 200 ] && exit 0
fi 2>/dev/null
exec mirror-server health
