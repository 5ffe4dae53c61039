#pragma once

#include <cstdint>

#include "kernels/cuda/check.h"

// Kernels whose threads need nothing of each other: RunThread of the work, once per thread.
namespace spikeserve::cuda {

constexpr std::int64_t kBlock = 256;
constexpr std::int64_t kMaxBlocks = 2147483647;

template <typename Work>
__global__ void __launch_bounds__(kBlock)
    ThreadsKernel(const __grid_constant__ Work work, std::int64_t threads) {
  const std::int64_t stride = std::int64_t{gridDim.x} * kBlock;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kBlock + threadIdx.x; i < threads; i += stride) {
    RunThread(work, i);
  }
}

template <typename Work>
void LaunchThreads(const Work& work, cudaStream_t stream, const char* name) {
  const std::int64_t threads = Threads(work);
  if (threads == 0) {
    return;
  }
  const std::int64_t blocks = (threads + kBlock - 1) / kBlock;
  ThreadsKernel<<<static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks), kBlock, 0, stream>>>(
      work, threads);
  CheckCuda(cudaGetLastError(), name);
}

}  // namespace spikeserve::cuda
