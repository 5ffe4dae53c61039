# To be sourced in the root of the repository: which cmake builds, and whether with the CUDA kernels.
#   cmake, ctest    commands
#   cuda            ON or OFF
#   cuda_note       the toolkit, or why there is none
# SPIKESERVE_CUDA=OFF in the environment keeps the kernels out.

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }
version_of_cmake() { "$1" --version 2>/dev/null | sed -n 's/^cmake version //p' || true; }

find_cuda() {
  local wheels=build/cuda-toolkit nvcc release
  cmake=cmake ctest=ctest cuda=OFF
  if [ "${SPIKESERVE_CUDA:-ON}" = OFF ]; then
    cuda_note="SPIKESERVE_CUDA=OFF"
    return
  fi
  nvcc=${CUDACXX:-}
  [ -n "$nvcc" ] || [ ! -f "$wheels/complete" ] || nvcc=$wheels/toolkit/bin/nvcc
  [ -n "$nvcc" ] || nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
  release=$("$nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p' || true)
  if [ -z "$release" ]; then
    cuda_note="no CUDA toolkit was found; tools/cuda-toolkit.sh fetches one"
  elif ! at_least "$release" 13; then
    cuda_note="CUDA $release was found, 13 is needed; tools/cuda-toolkit.sh fetches one"
  elif at_least "$(version_of_cmake cmake)" 3.31; then
    cuda=ON cuda_note="CUDA $release" CUDACXX=$(realpath "$nvcc")
    export CUDACXX
  elif [ -f "$wheels/complete" ]; then
    cmake=$PWD/$wheels/bin/cmake ctest=$PWD/$wheels/bin/ctest
    cuda=ON cuda_note="CUDA $release" CUDACXX=$(realpath "$nvcc")
    export CUDACXX
  else
    cuda_note="CUDA $release needs CMake 3.31 or newer; tools/cuda-toolkit.sh fetches both"
  fi
}
find_cuda
