#!/usr/bin/env bash
# Makes a CUDA 13 toolkit from the Python wheels of its maker: no root, no driver, no GPU needed. About 1.2 GB.
#   tools/cuda-toolkit.sh [FOLDER]     default build/cuda-toolkit; quick when it is there already
# Then, with CMake >= 3.31 (FOLDER/bin/cmake is one):
#   FOLDER/bin/cmake --preset cuda && FOLDER/bin/cmake --build --preset cuda
# The preset finds build/cuda-toolkit by itself; for another folder set CUDACXX=FOLDER/toolkit/bin/nvcc.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/cuda-toolkit}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
wheels=$folder/wheels
toolkit=$wheels/nvidia/cu13

usable() { "$toolkit/bin/nvcc" --version >/dev/null 2>&1 && "$folder/bin/cmake" --version >/dev/null 2>&1; }

if [ -f "$folder/complete" ] && usable; then
  echo "cuda-toolkit: $folder is there ($("$toolkit/bin/nvcc" --version | sed -n 's/.*release \([^,]*\),.*/CUDA \1/p'))"
  exit 0
fi

echo "cuda-toolkit: fetching the CUDA 13.0 wheels and CMake into $folder"
rm -rf "$wheels" "$folder/bin" "$folder/complete"
python=python3
if ! python3 -m pip --version >/dev/null 2>&1; then
  python3 -m venv "$folder/venv"
  python=$folder/venv/bin/python
fi
"$python" -m pip install --quiet --disable-pip-version-check --no-compile --retries 2 --timeout 30 \
  --root-user-action ignore --target "$wheels" \
  'cuda-toolkit[nvcc,cudart,cublas,cccl,crt,nvvm]==13.0.*' 'cmake>=3.31,<5'

# The wheels lack what nvcc and the linker look for: a lib64 folder, and libX.so beside libX.so.13.
[ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
for library in "$toolkit"/lib/*.so.*; do
  link=${library%%.so.*}.so
  [ -e "$link" ] || ln -s "$(basename "$library")" "$link"
done

mkdir -p "$folder/bin"
for tool in cmake ctest; do
  ln -sfn "$wheels/cmake/data/bin/$tool" "$folder/bin/$tool"
done
ln -sfn "$toolkit" "$folder/toolkit"
if ! usable; then
  echo "cuda-toolkit: nvcc or cmake in $folder does not start; remove the folder and try again" >&2
  exit 1
fi
touch "$folder/complete"
echo "cuda-toolkit: $folder is ready"
