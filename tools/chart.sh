#!/usr/bin/env bash
# Packages the Helm chart with the number of the file VERSION, which its images have too, and with the alerts.
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$(tools/kubernetes-tools.sh helm | tail -n 1)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r deploy/helm/spikeserve "$folder"
mkdir "$folder/spikeserve/files"
cp deploy/prometheus/alerts.yml "$folder/spikeserve/files/"
"$helm" package "$folder/spikeserve" --destination "${1:-build/charts}" --version "$(cat VERSION)" --app-version "$(cat VERSION)"
