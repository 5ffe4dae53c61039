#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_threads.cuh"

namespace spikeserve::cuda {
namespace {

// One kernel per type of sum, cell and weight, so that none pays for the registers of the widest.
template <typename Sum, typename Cell, typename Weight>
__global__ void __launch_bounds__(kBlock) DirectProductKernel(const __grid_constant__ DirectProduct product,
                                                              const Weight* weights, std::int64_t threads) {
  const std::int64_t stride = std::int64_t{gridDim.x} * kBlock;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kBlock + threadIdx.x; i < threads; i += stride) {
    RunProduct<Sum, Cell>(product, weights, i);
  }
}

}  // namespace

void Launch(const Im2col& im2col, cudaStream_t stream) { LaunchThreads(im2col, stream, "im2col"); }

void Launch(const DirectProduct& product, cudaStream_t stream) {
  const std::int64_t threads = Threads(product);
  if (threads == 0) {
    return;
  }
  const std::int64_t wanted = (threads + kBlock - 1) / kBlock;
  const auto blocks = static_cast<unsigned>(wanted < kMaxBlocks ? wanted : kMaxBlocks);
  WithTypes(product, [&](auto sum, auto cell, const auto* weights) {
    DirectProductKernel<decltype(sum), decltype(cell)>
        <<<blocks, kBlock, 0, stream>>>(product, weights, threads);
  });
  CheckCuda(cudaGetLastError(), "direct product");
}

}  // namespace spikeserve::cuda
