#!/usr/bin/env bash
# Builds the images with the server of `make server`, looks into them, runs them, and follows docs/deployment.md: by a
# container on this machine, by systemd on a bare Debian. As root; installs what it needs for that.
#   tools/try-image.sh          some minutes
#   tools/try-image.sh long     with syft, and the container on a bare Debian as well
set -euo pipefail
cd "$(dirname "$0")/.."
export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$PWD/build/release/server/app/spikeserve-server}
if [ "${1:-}" = long ]; then
  shift
  export SPIKESERVE_BARE_MACHINE=1
  tools/fetch-tool.sh syft
fi
tools/bootstrap.sh image || echo "try-image: what cannot be installed is skipped"
.venv/bin/python -m pytest -c client/python/pyproject.toml tests/images -rsP "$@"
