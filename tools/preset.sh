#!/usr/bin/env bash
# Configures, builds and tests one preset: tools/preset.sh asan. Presets without tests (tidy) are only built.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
cmake --preset "$preset"
cmake --build --preset "$preset"
if ctest --list-presets | grep -q "\"$preset\""; then
  ctest --preset "$preset" --parallel "$(nproc)"
fi
