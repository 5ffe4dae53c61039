# Finds a CUDA 13 toolkit: $CUDACXX, what tools/cuda-toolkit.sh made, or one that is installed. In this order.
if(CMAKE_VERSION VERSION_LESS 3.31)
  message(FATAL_ERROR "SPIKESERVE_CUDA needs CMake >= 3.31, which knows CUDA 13; this is ${CMAKE_VERSION}. "
                      "tools/cuda-toolkit.sh fetches one: build/cuda-toolkit/bin/cmake")
endif()
set(SPIKESERVE_CUDA_WHEELS ${PROJECT_SOURCE_DIR}/build/cuda-toolkit/toolkit)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS ${SPIKESERVE_CUDA_WHEELS}/bin/nvcc)
  set(CMAKE_CUDA_COMPILER ${SPIKESERVE_CUDA_WHEELS}/bin/nvcc)
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  # Machine code for Turing, Ampere and Hopper with its own instructions, and code for what comes later.
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80 90a-real)
endif()
enable_language(CUDA)
if(CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
find_package(CUDAToolkit 13 REQUIRED)
# cuBLAS is opened at run time: programs run from the build tree find the one of this toolkit.
list(APPEND CMAKE_BUILD_RPATH ${CUDAToolkit_LIBRARY_DIR})
