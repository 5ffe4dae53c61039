#!/usr/bin/env bash
# Builds the images spikeserve:cpu, :cuda and :client with buildah, podman or docker, whichever is found first.
#   tools/image.sh [TARGET...]     default cpu
# From the environment:
#   BASE    the Debian 12 to build in, for the machine that cannot fetch the Dockerfile's own (tools/image-base.sh)
#   SERVER  a spikeserve-server that was compiled on a Debian 12, so that none is compiled
#   CUBLAS  a folder or an image with libcublas.so.13 and libcublasLt.so.13, so that NVIDIA's wheels are not fetched
#   SBOM    a folder for what cpu and cuda are made of, as SPDX and CycloneDX (tools/image_sbom.py), beside their archives
#   WHEELS  a folder with the client's wheel and all that it depends on, so that none is fetched
# The same commit gives the same image, as long as Debian has the same versions.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- cpu
version=$(cat VERSION)
options=(--build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)")
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

for engine in buildah podman docker; do
  command -v $engine >/dev/null && break
done
case $engine in
  docker) options+=(--build-arg SOURCE_DATE_EPOCH="$date" --pull) ;;
  *) options+=(--format docker --timestamp "$date" --network host) ;;  # OCI's own format has no HEALTHCHECK
esac
command -v $engine >/dev/null || { echo "image: got none of buildah, podman and docker, wanted one" >&2; exit 1; }

# What is no address of an image is a folder.
place() { case $1 in *://*) echo "$1" ;; *) realpath "$1" ;; esac; }
[ -z "${BASE:-}" ] || options+=(--build-arg BASE="$BASE")
[ -z "${CUBLAS:-}" ] || options+=(--build-context cublas="$(place "$CUBLAS")")
[ -z "${WHEELS:-}" ] || options+=(--build-context wheels="$(realpath "$WHEELS")")
if [ -n "${SERVER:-}" ]; then
  folder=$PWD/build/image/server
  mkdir -p "$folder"
  cp "$SERVER" "$folder/spikeserve-server"
  options+=(--build-context server="$folder" --build-context server-cuda="$folder")
fi

# Replaces what buildah or podman has built by the same without the traces of this build.
settle() {
  local folder id built
  folder=$(mktemp -d)
  built=$($engine images -q --no-trunc "spikeserve:$1")
  $engine push -q "spikeserve:$1" "dir:$folder"
  python3 tools/image_settle.py "$folder"
  id=$($engine pull -q "dir:$folder")
  rm -rf "$folder"
  $engine tag "$id" "spikeserve:$1" "spikeserve:$version-$1"
  [ "${built#sha256:}" = "$id" ] || $engine rmi "$built" >/dev/null
}

# What the image is made of, and the image as a file.
list_parts() {
  local archive=$SBOM/spikeserve-$1.tar
  mkdir -p "$SBOM"
  rm -f "$archive"
  case $engine in
    docker) docker save -o "$archive" "spikeserve:$1" ;;
    *) $engine push -q "spikeserve:$1" "docker-archive:$archive:spikeserve:$1" ;;
  esac
  python3 tools/image_sbom.py "$archive" "$SBOM"
}

for target; do
  case $target in
    cpu | cuda | client) ;;
    *) echo "image: got $target, wanted cpu, cuda or client" >&2; exit 2 ;;
  esac
  $engine build "${options[@]}" --target "$target" -t "spikeserve:$target" -t "spikeserve:$version-$target" .
  [ $engine = docker ] || settle "$target"
  [ -z "${SBOM:-}" ] || [ "$target" = client ] || list_parts "$target"
done
