#!/usr/bin/env bash
# Checks that need no build. Runs all that are asked for, then fails if one did.
#   tools/lint.sh                 all of them
#   tools/lint.sh ruff mypy       these; the others are ctests too
#   tools/lint.sh layering ...    scripts of tests/lint by name
set -uo pipefail
cd "$(dirname "$0")/.."
config=client/python/pyproject.toml
failed=()
check() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}
run_mypy() {
  # A run for each tree that has a conftest.py.
  check mypy .venv/bin/mypy --config-file "$config" client/python/src client/python/tests
  check mypy .venv/bin/mypy --config-file "$config" tests/install
  check mypy .venv/bin/mypy --config-file "$config" tests/tools
  check mypy .venv/bin/mypy --config-file "$config" tests/chaos
  check mypy .venv/bin/mypy --config-file "$config" tests/kubernetes
  check mypy .venv/bin/mypy --config-file "$config" tests/images
  check mypy .venv/bin/mypy --config-file "$config" tests/fleet deploy/compose
  check mypy .venv/bin/mypy --config-file "$config" tools tests/e2e tests/support tests/lint tests/docs \
    docs/examples \
    tests/bench/{batching,cache,go_client,goals,memory,oip,page,prepare,serving,test_page}.py  # the others import torch, which is not installed here
}
[ $# -gt 0 ] || set -- layering python_layering repository version pages format layering_test lint_test ruff mypy functions go
for name; do
  case $name in
    ruff) check ruff .venv/bin/ruff check --config "$config" client/python tests tools docs deploy ;;
    mypy) run_mypy ;;
    functions)  # no function of the product over 60 lines; what is complex is for readers to judge
      check functions .venv/bin/lizard -w -L 60 -C 1000 -a 1000 -x '*.pb.go' server kernels client/python/src client/go ;;
    go) check go tools/go.sh lint ;;
    *) check "$name" python3 -B "tests/lint/$name.py" ;;
  esac
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: ok"
