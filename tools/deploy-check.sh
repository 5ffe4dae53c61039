#!/usr/bin/env bash
# Checks the Helm chart and the examples for KServe. What this machine cannot have is skipped, with the reason.
#   tools/deploy-check.sh [ARGUMENTS]      by helm, schemas and a real server
#   tools/deploy-check.sh api [ARGUMENTS]  by a real API server of Kubernetes
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
tests=(tests/kubernetes --ignore tests/kubernetes/test_api_server.py)
if [ "${1:-}" = api ]; then
  shift
  tests=(tests/kubernetes/test_api_server.py)
fi
.venv/bin/python -m pytest -c client/python/pyproject.toml "${tests[@]}" -rs "$@"
