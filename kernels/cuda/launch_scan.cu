#include "kernels/cuda/check.h"
#include "kernels/cuda/launch.h"

namespace spikeserve::cuda {
namespace {

constexpr int kScanBlock = 128;
constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;

// Adds up the spikes of a block in its warps, so that a sample's counter sees few updates.
__device__ void AddSampleSpikes(std::int64_t* to, std::int64_t spikes) {
  auto sum = static_cast<long long>(spikes);
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    sum += __shfl_down_sync(kAllLanes, sum, distance);
  }
  if (threadIdx.x % kWarp == 0 && sum != 0) {
    AtomicAdd(to, sum);
  }
}

// Blocks of a sample lie side by side: neighbouring threads are neighbouring neurons.
template <int kTerms, typename Emits>
__global__ void __launch_bounds__(kScanBlock)
    ScanKernel(const __grid_constant__ Scan scan, const __grid_constant__ Emits emits,
               unsigned blocks_per_sample) {
  const std::int64_t sample = blockIdx.x / blocks_per_sample;
  const std::int64_t j = std::int64_t{blockIdx.x % blocks_per_sample} * kScanBlock + threadIdx.x;
  const std::int64_t spikes = j < scan.size ? RunNeuron<kTerms>(scan, emits, sample, j) : 0;
  if (math::EmitsSpikes<Emits> && scan.sample_spikes != nullptr) {
    AddSampleSpikes(scan.sample_spikes + sample, spikes);
  }
}

}  // namespace

void Launch(const Scan& scan, cudaStream_t stream) {
  const std::int64_t per_sample = (scan.size + kScanBlock - 1) / kScanBlock;
  if (per_sample * scan.samples == 0) {
    return;
  }
  WithEmitter(scan, [&]<int kTerms, typename Emits>(const Emits& emits) {
    ScanKernel<kTerms><<<static_cast<unsigned>(per_sample * scan.samples), kScanBlock, 0, stream>>>(
        scan, emits, static_cast<unsigned>(per_sample));
  });
  CheckCuda(cudaGetLastError(), "scan");
}

}  // namespace spikeserve::cuda
