#!/usr/bin/env bash
# Every check that needs no build. Runs all of them, then fails if one did.
#   tools/lint.sh          layers, repository rules, formatting, ruff, mypy
#   tools/lint.sh python   ruff and mypy only; the others are ctests too
set -uo pipefail
cd "$(dirname "$0")/.."
config=client/python/pyproject.toml
failed=()
check() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}
if [ "${1:-}" != python ]; then
  for script in layering repository version format lint_test; do
    check "$script" python3 -B "tests/lint/$script.py"
  done
fi
check ruff .venv/bin/ruff check --config "$config" client/python tests tools docs
# Two runs, because both trees have a conftest.py.
check mypy .venv/bin/mypy --config-file "$config" client/python/src client/python/tests
check mypy .venv/bin/mypy --config-file "$config" tools tests/e2e tests/support tests/lint docs/examples \
  tests/bench/{goals,memory,page,prepare,serving,test_page}.py  # the others import torch, which is not installed here
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: ok"
