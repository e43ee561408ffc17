#!/usr/bin/env bash
# A mirror that is packed by the image, loaded by the engine, and served by what `pack --base` makes of the image itself: read-only,
# without a network, as the image's user.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
serving=
trap '[ -z "$serving" ] || docker rm -f "$serving" >/dev/null; docker image rm -f mirror:checked serving:checked >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
chmod 755 "$work"

mkdir -p "$work/mirror/git/github.com/owner"
commit=$(seed_repository "$work/mirror/git/github.com/owner/repo.git")
echo "git anyone" >"$work/mirror/git/github.com/owner/repo.git/mirror-access"
chown -R 1000:1000 "$work/mirror" 2>/dev/null || true
mkdir -m 777 "$work/out"
ours() { docker run --rm --network none -v "$work/mirror:/mirror" -v "$work/out:/out" mirror-server "$@"; }

step "a mirror is packed by the image, and loaded by the engine"
ours build >/dev/null
ours pack /out/mirror.tar --tag mirror:checked >/dev/null
docker load -q -i "$work/out/mirror.tar" | grep -q mirror:checked || fail "docker load did not take it"
digest=$(ours pack /out/again.tar --tag mirror:checked | grep -o 'sha256:[0-9a-f]*')
[ "$digest" = "$(ours pack /out/mirror.tar --tag mirror:checked | grep -o 'sha256:[0-9a-f]*')" ] || fail "packed again it is another image"

step "with the image as its base it serves what it holds, read-only"
docker save -o "$work/out/base.tar" mirror-server
chmod a+r "$work/out/base.tar"
if ! tar -tf "$work/out/base.tar" | grep -qx oci-layout; then
  echo "container: skipped, since this engine saves no OCI layouts (Docker 25 does)"
  exit 0
fi
ours pack /out/serving.tar --base /out/base.tar --tag serving:checked >/dev/null
docker load -q -i "$work/out/serving.tar" >/dev/null
serving=$(docker run -d --network none --read-only --tmpfs /tmp --cap-drop ALL --user 1000:1000 serving:checked)
for _ in $(seq 150); do
  state=$(docker inspect -f '{{.State.Health.Status}}' "$serving")
  [ "$state" != healthy ] || break
  sleep 0.2
done
[ "$state" = healthy ] || fail "it is $state: $(docker logs "$serving" 2>&1 | tail -3)"
head=$(docker exec "$serving" git ls-remote http://localhost/github.com/owner/repo.git HEAD | cut -f1)
[ "$head" = "$commit" ] || fail "it gives $head instead of $commit"
[ -z "$(docker exec "$serving" sh -c 'ls /mirror/private_key.pem /mirror/.lock 2>/dev/null')" ] || fail "a key or a lock is in it"
