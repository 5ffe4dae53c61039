#!/usr/bin/env bash
# Makes an image of Debian 12 out of packages alone, from where this machine has its own and with their security
# updates: for `tools/image.sh` where no registry of images can be reached. Needs root, debootstrap and buildah.
#   tools/image-base.sh [NAME]     default localhost/debian:12; the folder it is made of stays in build/image/base
# Ends with status 3 where this machine lacks something for it; the last line of stderr says what.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-localhost/debian:12}
suite=bookworm
folder=build/image

lacks() { echo "image-base: $*" >&2; exit 3; }

# Where this machine has the packages of a suite from.
site() {
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$1" '$2 == suite && $3 == "main" {print $1; exit}'
}

[ "$(id -u)" -eq 0 ] || lacks "only root can make a root file system"
for program in debootstrap buildah apt-get; do
  command -v $program >/dev/null || lacks "$program is not installed"
done
main=$(site $suite) security=$(site $suite-security)
[ -n "$main" ] && [ -n "$security" ] ||
  lacks "this machine's package sources have no $suite with $suite-security, without which it would have known holes"

if [ ! -f "$folder/base.complete" ]; then
  rm -rf "$folder/base"
  mkdir -p "$folder"
  debootstrap --variant=minbase $suite "$folder/base" "$main" >"$folder/base.log" 2>&1 ||
    lacks "debootstrap failed: $(tail -n 1 "$folder/base.log")"
  {
    echo "deb $main $suite main"
    echo "deb $main $suite-updates main"
    echo "deb $security $suite-security main"
  } >"$folder/base/etc/apt/sources.list"
  echo force-unsafe-io >"$folder/base/etc/dpkg/dpkg.cfg.d/image"  # no file is synced: whoever loses it builds it again
  rm -rf "$folder/base"/var/cache/apt/archives/*.deb "$folder/base"/var/lib/apt/lists/*
  touch "$folder/base.complete"
fi
buildah inspect --type image "$name" >/dev/null 2>&1 && exit 0
container=$(buildah from scratch)
trap 'buildah rm "$container" >/dev/null; rm -f "$folder/base.tar"' EXIT
tar -C "$folder/base" -cf "$folder/base.tar" .
buildah add -q "$container" "$folder/base.tar" / >/dev/null
buildah commit -q "$container" "$name" >/dev/null
echo "image-base: $name is ready"
