#!/usr/bin/env bash
# Builds build/docs/site: all pages with the references of the Python package and of the protocol. Fails on what
# has no docstring or comment and on links to nothing. Needs .venv and protoc; fetches the extra [docs] once.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
source=build/docs/source

"$python" -c 'import mkdocstrings_handlers.python, zensical' 2>/dev/null ||
  "$python" -m pip install --quiet --disable-pip-version-check --editable "client/python[docs]"
rm -rf build/docs
mkdir -p "$source/docs" "$source/client/go"
cp ./*.md LICENSE "$source"
cp client/go/README.md "$source/client/go"
cp -R docs/. "$source/docs"
cp --parents deploy/helm/spikeserve/{README.md,examples/*.yaml} deploy/kserve/*.{md,yaml} "$source"  # with what they link to
cp --parents deploy/README.md deploy/{balancers,compose}/README.md "$source"
"$python" tools/protocol_pages.py "$source/reference/protocol.md"
"$python" tools/python_pages.py "$source/reference/python.md"
cp tools/mkdocs.yml build/docs
.venv/bin/zensical build --strict --config-file build/docs/mkdocs.yml
echo "docs: build/docs/site/index.html"
