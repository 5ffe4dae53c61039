#!/usr/bin/env bash
# Drives the server with programs that others wrote: tritonclient, kserve's client, perf_analyzer, grpcurl, and what reads
# its metrics and traces. Each is
# fetched once (tools/fetch-tool.sh); what this machine cannot have is skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
.venv/bin/python -m pytest -c client/python/pyproject.toml tests/tools -rs "$@"
