#!/usr/bin/env bash
# Installs the Debian packages that are missing. Quick and quiet when none is.
#   tools/bootstrap.sh        what build, tests, lint and fuzzing need
#   tools/bootstrap.sh server what compiling the server needs
#   tools/bootstrap.sh demo   what the server and the demo need
#   tools/bootstrap.sh image  what building and running images needs
#   tools/bootstrap.sh bench  what the benchmark needs
#   tools/bootstrap.sh fleet  the balancers and Prometheus that tests/fleet runs; Debian starts them as services too
set -euo pipefail

packages=(
  g++ cmake ninja-build pkgconf
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  libspdlog-dev libcli11-dev libhwy-dev prometheus-cpp-dev libssl-dev
  libboost-dev nlohmann-json3-dev
  ca-certificates python3 python3-venv
)
[ "${1:-}" = server ] || packages+=(dataset-fashion-mnist)
if [ "${1:-}" = bench ]; then
  packages+=(libopenblas-dev libdnnl-dev ocl-icd-opencl-dev libgtest-dev libgmock-dev ccache)
elif [ "${1:-}" = image ]; then
  packages=(buildah debootstrap iproute2 podman runc)
elif [ "${1:-}" != demo ] && [ "${1:-}" != server ]; then
  packages+=(
    git libgtest-dev libgmock-dev libbenchmark-dev
    clang libclang-rt-14-dev clang-format-16 clang-tidy ccache
    debootstrap iproute2 rclone
  )
fi

if [ "${1:-}" = fleet ]; then
  packages=(nginx haproxy prometheus iproute2)
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "tools/bootstrap.sh: this is no Debian system, nothing was installed. Needed are (Debian names):" >&2
  printf '  %s\n' "${packages[*]}" >&2
  echo "Once they are there: SPIKESERVE_SKIP_BOOTSTRAP=1 make ..." >&2
  [ -n "${SPIKESERVE_SKIP_BOOTSTRAP:-}" ] && exit 0
  exit 1
fi
[ -n "${SPIKESERVE_SKIP_BOOTSTRAP:-}" ] && exit 0

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
  sed -n 's/^installed //p' || true)
missing=()
for package in "${packages[@]}"; do
  grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "tools/bootstrap.sh: installing ${missing[*]}"
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "tools/bootstrap.sh: neither root nor sudo. As root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  sudo=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}
quietly apt-get update
quietly apt-get install -y --no-install-recommends "${missing[@]}"
