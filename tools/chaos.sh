#!/usr/bin/env bash
# Attacks, faults and overload against the real server, from outside (tests/chaos/README.md).
#   tools/chaos.sh short            two minutes
#   tools/chaos.sh long             all rounds, up to an hour
#   tools/chaos.sh short -k resets  some scenarios, by words of pytest
# Runs in a network namespace of its own where it may make one, so that nothing gets out or in.
# SPIKESERVE_CHAOS_SEED draws other numbers. What was measured is added to build/chaos.json.
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_CHAOS=${1:?short or long?}
shift
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
tools/fetch-tool.sh h2 >/dev/null || true  # what is missing, the tests say; they may have no network themselves
run=()
if unshare --net ip link set lo up 2>/dev/null; then
  export SPIKESERVE_CHAOS_NAMESPACE=own
  run=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh)
fi
"${run[@]}" .venv/bin/python -m pytest -c client/python/pyproject.toml tests/chaos -rsx --timeout 1800 "$@"
