#!/usr/bin/env bash
# Prints the path of ghz; installs it into build/go-tools first where it is not there. Needs Go 1.21 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v0.121.0  # never @latest: it resolves to v0.93.0, which cannot parse proto3's `optional`
folder=$PWD/build/go-tools
ghz=$folder/ghz-$version  # the program itself only says "dev"

if [ ! -x "$ghz" ]; then
  if ! command -v go >/dev/null; then
    echo "tools/ghz.sh: no Go on the PATH, and ghz $version is installed by it (1.21 or newer, https://go.dev/dl)" >&2
    exit 1
  fi
  mkdir -p "$folder"
  GOBIN=$folder go install "github.com/bojand/ghz/cmd/ghz@$version" >&2
  mv "$folder/ghz" "$ghz"
fi
echo "$ghz"
