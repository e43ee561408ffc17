#!/usr/bin/env bash
# The manifests of docs/deploy/kubernetes, rendered by kustomize and held to Kubernetes' own schemas and types, as a cluster would
# that knows them: a field that is misspelt, misplaced or not there is an error. Needs kubectl and the npm registry; says so and
# does nothing where they are not to be had. The systemd unit is looked at by systemd-analyze.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if command -v systemd-analyze >/dev/null; then
  # It wants to see what the unit starts.
  sed 's#^ExecStart=.*#ExecStart=/bin/true#' docs/deploy/mirror-server.service >"$folder/mirror-server.service"
  systemd-analyze verify --man=no "$folder/mirror-server.service"
  exposure=$(systemd-analyze security --offline=true --no-pager "$folder/mirror-server.service" | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
  echo "the systemd unit's exposure is $exposure"
  awk -v level="$exposure" 'BEGIN { exit !(level != "" && level <= 2.0) }' || { echo "that is more than 2.0"; exit 1; }
else
  echo "skipped: no systemd-analyze for the systemd unit"
fi

if ! kubectl kustomize --help >/dev/null 2>&1; then
  echo "skipped: no kubectl for the manifests"
  exit 0
fi
if ! npm install --prefix "$folder" --no-audit --no-fund --loglevel error kubernetes-models@5.1.0 >/dev/null 2>&1; then
  echo "skipped: no kubernetes-models to be had for the manifests"
  exit 0
fi
for overlay in shared-volume image-volume; do
  kubectl kustomize "docs/deploy/kubernetes/$overlay" >"$folder/$overlay.yaml"
done
# With the Prometheus operator's monitor, as its file says.
mkdir "$folder/monitored"
cp -r docs/deploy/kubernetes "$folder/monitored/all"
(cd "$folder/monitored/all/image-volume" && printf 'components: [../monitoring]\n' >>kustomization.yaml)
kubectl kustomize "$folder/monitored/all/image-volume" | grep -q "kind: ServiceMonitor"
cp docs/deploy/kubernetes/names/*.yaml "$folder"
cp test/deploy/manifests.mjs "$folder"
NODE_PATH=node_modules node "$folder/manifests.mjs" "$folder" "$PWD"
node node_modules/typescript/bin/tsc --ignoreConfig --noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022 "$folder"/manifest-*.ts
echo "the manifests are what Kubernetes takes"
