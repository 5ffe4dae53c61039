#!/usr/bin/env bash
# Configures, builds and tests one preset: tools/preset.sh asan. Presets without tests (tidy) are only built.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
cmake --preset "$preset"
cmake --build --preset "$preset"
if ! ctest --list-presets | grep -q "\"$preset\""; then
  exit 0
fi
run=(ctest --preset "$preset" --parallel "$(nproc)")
# ThreadSanitizer of GCC 12 does not start where the kernel randomises addresses by more than 28 bits.
if [ "$preset" = tsan ] && setarch --addr-no-randomize true 2>/dev/null; then
  run=(setarch --addr-no-randomize "${run[@]}")
fi
"${run[@]}"
