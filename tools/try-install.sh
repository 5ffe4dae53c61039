#!/usr/bin/env bash
# Installs what `make wheel` has made as a user would, and uses it: in an empty virtual environment, and in a root
# file system with nothing but Python (needs root and debootstrap; build/empty-root, made once, 300 MB).
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pytest -c client/python/pyproject.toml tests/install -rs "$@"
