#!/usr/bin/env bash
# Three replicas, the balancers in front of them, and the board above them (tests/fleet/README.md).
#   tools/fleet.sh short           less than a minute
#   tools/fleet.sh long            50,000 calls in each trial, about a quarter of an hour
#   tools/fleet.sh short -k cut    some tests, by words of pytest
# Runs in a network namespace of its own where it may make one, so that a replica can be cut off. What was measured
# is added to build/fleet.json.
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_FLEET=${1:?short or long?}
shift
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
run=()
if unshare --net ip link set lo up 2>/dev/null; then
  export SPIKESERVE_FLEET_NAMESPACE=own
  run=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh)
fi
"${run[@]}" .venv/bin/python -m pytest -c client/python/pyproject.toml tests/fleet -rs "$@"
