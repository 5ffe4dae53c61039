#!/usr/bin/env bash
# Builds the images spikeserve:cpu, :cuda and :client with buildah, podman or docker, whichever is found first.
#   tools/image.sh [TARGET...]     default cpu
# From the environment:
#   BASE    the Debian 12 to build in, for the machine that cannot fetch the Dockerfile's own (tools/image-base.sh)
#   SERVER  a spikeserve-server that was compiled on a Debian 12, so that none is compiled
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

[ -z "${BASE:-}" ] || options+=(--build-arg BASE="$BASE")
[ -z "${WHEELS:-}" ] || options+=(--build-context wheels="$(realpath "$WHEELS")")
if [ -n "${SERVER:-}" ]; then
  folder=$PWD/build/image/server
  mkdir -p "$folder"
  cp "$SERVER" "$folder/spikeserve-server"
  options+=(--build-context server="$folder" --build-context server-cuda="$folder")
fi

for target; do
  case $target in
    cpu | cuda | client) ;;
    *) echo "image: got $target, wanted cpu, cuda or client" >&2; exit 2 ;;
  esac
  $engine build "${options[@]}" --target "$target" -t "spikeserve:$target" -t "spikeserve:$version-$target" .
  if [ -n "${SBOM:-}" ] && [ "$target" != client ]; then
    mkdir -p "$SBOM"
    archive=$SBOM/spikeserve-$target.tar
    rm -f "$archive"
    case $engine in
      buildah) buildah push -q "spikeserve:$target" "docker-archive:$archive:spikeserve:$target" ;;
      *) $engine save -o "$archive" "spikeserve:$target" ;;
    esac
    python3 tools/image_sbom.py "$archive" "$SBOM"
  fi
done
