#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_threads.cuh"

namespace spikeserve::cuda {
namespace {

constexpr int kMemoryBlock = 128;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;

// Blocks of a sample lie side by side; the spikes of a warp are added up, so that a sample's counter sees few
// updates.
__global__ void __launch_bounds__(kMemoryBlock)
    MemoryKernel(const __grid_constant__ MemoryNeurons neurons, unsigned blocks_per_sample) {
  const std::int64_t sample = blockIdx.x / blocks_per_sample;
  const std::int64_t j = std::int64_t{blockIdx.x % blocks_per_sample} * kMemoryBlock + threadIdx.x;
  long long spikes = j < neurons.stride ? RunMemoryNeuron(neurons, sample, j) : 0;
  if (neurons.sample_spikes == nullptr) {
    return;
  }
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    spikes += __shfl_down_sync(kAllLanes, spikes, distance);
  }
  if (threadIdx.x % kWarp == 0 && spikes != 0) {
    AtomicAdd(neurons.sample_spikes + sample, spikes);
  }
}

}  // namespace

void Launch(const ByteColumns& columns, cudaStream_t stream) {
  LaunchThreads(columns, stream, "byte columns");
}
void Launch(const TakeCells& take, cudaStream_t stream) { LaunchThreads(take, stream, "take cells"); }
void Launch(const WholeProduct& product, cudaStream_t stream) {
  LaunchThreads(product, stream, "whole product");
}
void Launch(const SumCharges& sum, cudaStream_t stream) { LaunchThreads(sum, stream, "sum charges"); }
void Launch(const RoundCharges& round, cudaStream_t stream) { LaunchThreads(round, stream, "round charges"); }
void Launch(const AddTotals& add, cudaStream_t stream) { LaunchThreads(add, stream, "add totals"); }
void Launch(const SetFold& set, cudaStream_t stream) { LaunchThreads(set, stream, "set fold"); }

void Launch(const MemoryNeurons& neurons, cudaStream_t stream) {
  const std::int64_t per_sample = (neurons.stride + kMemoryBlock - 1) / kMemoryBlock;
  if (per_sample * neurons.samples == 0) {
    return;
  }
  MemoryKernel<<<static_cast<unsigned>(per_sample * neurons.samples), kMemoryBlock, 0, stream>>>(
      neurons, static_cast<unsigned>(per_sample));
  CheckCuda(cudaGetLastError(), "memory neurons");
}

}  // namespace spikeserve::cuda
