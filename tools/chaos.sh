#!/usr/bin/env bash
# Attacks, faults and overload against the real server, from outside (tests/chaos/README.md).
#   tools/chaos.sh short            two minutes
#   tools/chaos.sh long             all rounds, up to an hour
#   tools/chaos.sh short -k resets  some scenarios, by words of pytest
# SPIKESERVE_CHAOS_SEED draws other numbers. What was measured is added to build/chaos.json.
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_CHAOS=${1:?short or long?}
shift
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
.venv/bin/python -m pytest -c client/python/pyproject.toml tests/chaos -rsx --timeout 1800 "$@"
