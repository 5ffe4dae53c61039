#!/usr/bin/env bash
# Runs every test and check of the release build; all of them, even after one failed. The last lines sum up.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
export SPIKESERVE_SERVER_BINARY=$PWD/build/release/server/app/spikeserve-server
failed=()

# Runs a named command with its output shown and kept in build/NAME.log.
check() {
  local name=$1
  shift
  "$@" 2>&1 | tee "build/$name.log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
}

check lint tools/lint.sh python
check ctest ctest --preset release --parallel "$(nproc)"
check pytest .venv/bin/python -m pytest -c client/python/pyproject.toml client/python/tests tests/e2e tests/bench

summary() {
  tail -n 1 build/lint.log
  echo "ctest: $(grep -E 'tests passed' build/ctest.log || echo 'did not finish')"
  echo "pytest: $(tail -n 1 build/pytest.log | sed 's/^=* *//; s/ *=*$//')"
}
echo
summary | tee build/summary.txt
if [ ${#failed[@]} -gt 0 ]; then
  echo "test: failed: ${failed[*]}"
  exit 1
fi
echo "test: ok"
