#!/usr/bin/env bash
# Puts what tools/gpu-check.sh runs into one archive, to be carried to a machine that has a GPU and nothing else:
# tests, benchmark and server, stripped, with the shared libraries that are not on every Linux machine.
#   tools/gpu-pack.sh [ARCHIVE]    default build/gpu-pack.tar.gz; needs a CUDA 13 toolkit (tools/cuda-toolkit.sh)
# Fails where the archive and the files of the repository come to more than 50 MiB together, which is what may be
# carried at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/cuda-env.sh
archive=${1:-build/gpu-pack.tar.gz}
most_bytes=$((50 << 20))
build=build/cuda-static
programs=(tests/unit/cuda/cuda_tests tests/parity/cuda_parity_tests tests/conformance/conformance_tests
  tests/bench/gpu/gpu_bench server/app/spikeserve-server)

if [ "$cuda" = OFF ]; then
  echo "gpu-pack: $cuda_note" >&2
  exit 1
fi
"$cmake" --preset cuda-static
"$cmake" --build --preset cuda-static --target "${programs[@]##*/}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/bin" "$folder/lib"
for program in "${programs[@]}"; do
  strip -o "$folder/bin/${program##*/}" "$build/$program"
done
# Neither the C and C++ libraries, which a newer system has, nor CUDA's, which the GPU machine brings.
ldd "$folder"/bin/* | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
  grep -vE '/(libc|libm|libdl|librt|libpthread|libatomic|libstdc\+\+|libgcc_s|ld-linux[^/]*|libcu[^/]*)\.so' |
  while read -r library; do
    cp --dereference "$library" "$folder/lib/"
  done
strip --strip-unneeded "$folder"/lib/*
mkdir -p "$(dirname "$archive")"
tar -C "$folder" -cf - bin lib | gzip -9 >"$archive.next"
mv "$archive.next" "$archive"
(cd "$folder" && du -h bin/* lib/*)

packed=$(stat -c %s "$archive")
# Files that were deleted and not committed are not carried.
tracked=$({ git ls-files -z | xargs -0 -r stat -c %s 2>/dev/null || true; } | awk '{sum += $1} END {print sum + 0}')
echo "gpu-pack: $archive, $((packed >> 20)) MiB of $(du -sm "$folder" | cut -f1), with the repository's files $(((packed + tracked) >> 20)) MiB"
if [ $((packed + tracked)) -gt $most_bytes ]; then
  echo "gpu-pack: that is more than $((most_bytes >> 20)) MiB" >&2
  exit 1
fi
