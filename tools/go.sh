#!/usr/bin/env bash
# The Go module in client/go.
#   tools/go.sh generate          protoc and its plugins (pinned, in build/go-tools) write client/go/spikeservev1 and inference
#   tools/go.sh build             generate, then build the package and its programs (build/go)
#   tools/go.sh lint              gofmt, go vet, staticcheck
#   tools/go.sh test [ARGUMENTS]  go test -race, with the server of the release build or $SPIKESERVE_SERVER_BINARY
#   tools/go.sh module PATH       change the module path, everywhere it stands
# Where there is no Go that is new enough, says so and succeeds: the module is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
module_folder=client/go
tools=$PWD/build/go-tools
# They are for the checks alone; the versions of the libraries are in go.mod.
plugins=(google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.6 google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.5.1)
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0

# Runs go in the folder of the module.
go_here() { (cd "$module_folder" && "$go" "$@"); }

module_path() { sed -n 's/^module //p' "$module_folder/go.mod"; }

# Installs a command of a pinned module, unless it is there.
need_tool() {
  local stamp
  stamp=$tools/$(tr '/@' '__' <<<"$1")
  [ -f "$stamp" ] && return
  GOBIN=$tools/bin "$go" install "$1"
  touch "$stamp"
}

# The protos of the packages that have a folder in the module.
protos() { find proto -name '*.proto' -exec grep -l "go_package = \"$(module_path)/" {} + | sort; }

generate() {
  local files fingerprint
  mapfile -t files < <(protos)
  fingerprint=$({ cat "${files[@]}" tools/go.sh; module_path; protoc --version; } | sha256sum)
  [ "$(cat "$module_folder/spikeservev1/.stamp" 2>/dev/null)" = "$fingerprint" ] && return
  for plugin in "${plugins[@]}"; do need_tool "$plugin"; done
  PATH=$tools/bin:$PATH protoc --proto_path=proto "--go_out=$module_folder" "--go_opt=module=$(module_path)" \
    "--go-grpc_out=$module_folder" "--go-grpc_opt=module=$(module_path)" "${files[@]}"
  printf '%s\n' "$fingerprint" >"$module_folder/spikeservev1/.stamp"
}

gofmt() { "$("$go" env GOROOT)/bin/gofmt" "$@"; }

lint() {
  local badly_formatted
  badly_formatted=$(gofmt -l "$module_folder")
  if [ -n "$badly_formatted" ]; then
    echo "gofmt would change:" $badly_formatted
    return 1
  fi
  go_here vet ./...
  need_tool "$staticcheck"
  (cd "$module_folder" && PATH=$(dirname "$go"):$PATH "$tools/bin/staticcheck" ./...)
  echo "go lint: ok"
}

# Runs all tests; the last line sums up.
run_tests() {
  local passed=0 log=build/gotest.txt server=$PWD/build/release/server/app/spikeserve-server
  mkdir -p build
  [ ! -x "$server" ] || export SPIKESERVE_SERVER_BINARY=${SPIKESERVE_SERVER_BINARY:-$server}
  go_here test -race -v "$@" ./... >"$log" 2>&1 || passed=$?
  grep -vE '^( *--- PASS|=== |PASS$|\?)' "$log" || true
  echo "$(grep -cE '^--- PASS' "$log") passed, $(grep -cE '^--- FAIL' "$log") failed, $(grep -cE '^--- SKIP' "$log") skipped"
  return "$passed"
}

rename_module() {
  local old new=$1
  old=$(module_path)
  if ! [[ $new =~ ^[a-z0-9.-]+\.[a-z]+(/[A-Za-z0-9._~-]+)+$ ]]; then
    echo "tools/go.sh: module is '$new', wanted a path such as example.com/you/spikeserve" >&2
    exit 2
  fi
  rm -rf "$module_folder/spikeservev1" "$module_folder/inference"
  { grep -rlF "$old" proto client/go README.md docs tests || true; } |
    xargs sed -i "s#${old//./\\.}\\b#$new#g"
  . tools/go-env.sh
  [ -z "$go" ] || gofmt -w "$module_folder"  # the order of imports is that of their paths
  echo "the module is $new; \`make go\` generates and builds it"
}

case ${1:-} in
  module) rename_module "${2:-}"; exit ;;
  generate | build | lint | test) ;;
  *) echo "tools/go.sh: got '${1:-}', wanted generate, build, lint, test or module" >&2; exit 2 ;;
esac
. tools/go-env.sh
if [ -z "$go" ]; then
  echo "go: skipped: $go_note"
  exit 0
fi
generate
case $1 in
  build)
    go_here build ./...
    # Static programs, which run where nothing is installed. Without a version of the checkout in them, as git may
    # not be there, or not trust the folder.
    CGO_ENABLED=0 go_here build -buildvcs=false -o ../../build/go/ ./examples/classify ./examples/loadgen ./internal/answers ./internal/refusals
    ;;
  lint) lint ;;
  test) shift; run_tests "$@" ;;
esac
