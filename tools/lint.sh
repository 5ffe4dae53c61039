#!/usr/bin/env bash
# Every check that needs no build. Runs all of them, then fails if one did.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=()
check() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}
for script in layering repository format lint_test; do
  check "$script" python3 -B "tests/lint/$script.py"
done
check ruff .venv/bin/ruff check --config client/python/pyproject.toml client/python tests tools docs
check mypy .venv/bin/mypy --config-file client/python/pyproject.toml client/python/src
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: ok"
