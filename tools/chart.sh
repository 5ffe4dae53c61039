#!/usr/bin/env bash
# Packages the Helm chart with the number of the file VERSION, which its images have too.
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$(tools/kubernetes-tools.sh helm | tail -n 1)
"$helm" package deploy/helm/spikeserve --destination build/charts --version "$(cat VERSION)" --app-version "$(cat VERSION)"
