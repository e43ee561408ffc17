#!/bin/sh
# The image's entrypoint: a command of mirror-server, or any other program that the image has, as official images do.
#   docker run IMAGE                    mirror-server serve
#   docker run IMAGE sync /project      mirror-server sync /project
#   docker run IMAGE --version          mirror-server --version
#   docker run IMAGE sh                 sh
set -eu

case ${1:-} in
  # What it is called like, where the image has a program of that name, too. test/container/commands.test.ts compares.
  exec | serve | sync | verify | list | why | status | prune | build | add | remove | pack | unpack | publish | init | env | doctor | certs | health | help | completion) ;;
  "" | -*) ;;
  # Not what only the shell has.
  *) case $(command -v -- "$1") in /*) exec "$@" ;; esac ;;
esac
exec mirror-server "$@"
