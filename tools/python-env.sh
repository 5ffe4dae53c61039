#!/usr/bin/env bash
# Makes .venv with the spikeserve package (editable, with generated protobuf modules) and the test tools.
# Quick when nothing it depends on has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv
package=client/python

fingerprint() {
  { cat VERSION "$package/pyproject.toml" "$package"/build_backend/*.py tools/python-env.sh
    find proto -name '*.proto' -print0 | sort -z | xargs -0 cat
    python3 --version
    pwd
  } | sha256sum | cut -d' ' -f1
}

wanted=$(fingerprint)
generated=$package/src/spikeserve/v1/network_pb2.py
stamp=$venv/spikeserve.stamp
if [ -f "$generated" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
  exit 0
fi
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$package[plot,test]"
printf '%s\n' "$wanted" >"$stamp"
