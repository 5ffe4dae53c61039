#!/usr/bin/env bash
# Puts what tools/gpu-check.sh runs into one folder, to be carried to a machine that has a GPU and nothing else:
# tests, benchmark and server, stripped, with the shared libraries that are not on every Linux machine.
#   tools/gpu-pack.sh [FOLDER]     default build/gpu-pack; needs a CUDA 13 toolkit (tools/cuda-toolkit.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/cuda-env.sh
folder=${1:-build/gpu-pack}
build=build/cuda-static
programs=(tests/unit/cuda/cuda_tests tests/parity/cuda_parity_tests tests/conformance/conformance_tests
  tests/bench/gpu/gpu_bench server/app/spikeserve-server)

if [ "$cuda" = OFF ]; then
  echo "gpu-pack: $cuda_note" >&2
  exit 1
fi
"$cmake" --preset cuda-static
"$cmake" --build --preset cuda-static --target "${programs[@]##*/}"

rm -rf "$folder"
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
echo "gpu-pack: $folder, $(du -sh "$folder" | cut -f1):"
(cd "$folder" && du -h bin/* lib/*)
