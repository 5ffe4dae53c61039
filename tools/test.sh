#!/usr/bin/env bash
# Runs every test and check of the release build; all of them, even after one failed. The last lines sum up.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
. tools/cuda-env.sh
export SPIKESERVE_SERVER_BINARY=$PWD/build/release/server/app/spikeserve-server
failed=()

# Runs a named command with its output shown and kept in build/NAME.log.
check() {
  local name=$1
  shift
  "$@" 2>&1 | tee "build/$name.log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
}

check lint tools/lint.sh ruff mypy functions go
check ctest "$ctest" --preset release --parallel "$(nproc)"
rm -f build/clients.json  # what the tests show of each client, by this run alone
check pytest .venv/bin/python -m pytest -c client/python/pyproject.toml client/python/tests tests/e2e tests/bench tests/docs
check gotest tools/go.sh test
check clients .venv/bin/python tools/clients_table.py --check

# How many tests ran on a GPU; where there is none, why.
gpu_summary() {
  if [ "$cuda" = OFF ]; then
    echo "gpu: kernels not built: $cuda_note"
    return
  fi
  local why
  why=$(build/release/tests/unit/cuda/cuda_tests --gtest_filter='On/Device.AlignsMemory/Gpu' |
    sed -n 's/^\(look for GPUs: \)/: \1/p' | head -n 1)
  echo "gpu: kernels built with $cuda_note; $(grep -cE '/Gpu[0-9]* .* Passed ' build/ctest.log) GPU tests passed," \
    "$(grep -cE '/Gpu[0-9]* .*\*\*\*Skipped' build/ctest.log) skipped$why"
}

summary() {
  tail -n 1 build/lint.log
  echo "ctest: $(grep -E 'tests passed' build/ctest.log || echo 'did not finish')"
  echo "pytest: $(tail -n 1 build/pytest.log | sed 's/^=* *//; s/ *=*$//')"
  echo "go test: $(tail -n 1 build/gotest.log)"
  gpu_summary
}
echo
summary | tee build/summary.txt
if [ ${#failed[@]} -gt 0 ]; then
  echo "test: failed: ${failed[*]}"
  exit 1
fi
echo "test: ok"
