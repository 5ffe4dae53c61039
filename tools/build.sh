#!/usr/bin/env bash
# Builds the preset release, with the CUDA kernels where a CUDA 13 toolkit is at hand.
#   tools/build.sh          everything
#   tools/build.sh server   the server, without the tests unless `make test` has configured them already
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/cuda-env.sh

if [ "$cuda" = ON ]; then
  echo "build: with the CUDA kernels ($cuda_note)"
else
  echo "build: the CPU side only, without the CUDA kernels: $cuda_note"
fi
options=(-DSPIKESERVE_CUDA="$cuda")
target=()
if [ "${1:-}" = server ]; then
  target=(--target spikeserve-server)
  [ -f build/release/build.ninja ] || options+=(-DSPIKESERVE_TESTS=OFF)
else
  options+=(-DSPIKESERVE_TESTS=ON)
fi
"$cmake" --preset release "${options[@]}"
"$cmake" --build --preset release "${target[@]}"
