#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_threads.cuh"

namespace spikeserve::cuda {
namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;

__device__ std::int64_t ShuffleDown(std::int64_t value, unsigned distance) {
  return __shfl_down_sync(kAllLanes, static_cast<long long>(value), distance);
}

// One warp per sample.
__global__ void ActivityKernel(const __grid_constant__ Activity activity) {
  const std::int64_t sample = blockIdx.x;
  ActivitySum sum = ActivityShare(activity, sample, threadIdx.x, kWarp);
  for (unsigned distance = kWarp / 2; distance > 0; distance /= 2) {
    const ActivitySum other{ShuffleDown(sum.spikes, distance), ShuffleDown(sum.busiest, distance),
                            ShuffleDown(sum.silent, distance),
                            ShuffleDown(sum.synaptic_operations, distance)};
    sum = Combine(sum, other);
  }
  if (threadIdx.x == 0) {
    activity.sums[sample] = sum;
  }
}

}  // namespace

void Launch(const Broadcast& broadcast, cudaStream_t stream) {
  LaunchThreads(broadcast, stream, "broadcast");
}
void Launch(const ConvertBytes& convert, cudaStream_t stream) {
  LaunchThreads(convert, stream, "convert bytes");
}
void Launch(const Gather& gather, cudaStream_t stream) { LaunchThreads(gather, stream, "gather"); }
void Launch(const Activate& activate, cudaStream_t stream) { LaunchThreads(activate, stream, "activate"); }
void Launch(const Fold& fold, cudaStream_t stream) { LaunchThreads(fold, stream, "fold"); }
void Launch(const FoldRead& read, cudaStream_t stream) { LaunchThreads(read, stream, "read folds"); }
void Launch(const Probe& probe, cudaStream_t stream) { LaunchThreads(probe, stream, "probe"); }
void Launch(const AdvanceClock& advance, cudaStream_t stream) {
  LaunchThreads(advance, stream, "advance clock");
}

void Launch(const Activity& activity, cudaStream_t stream) {
  if (activity.samples > 0) {
    ActivityKernel<<<static_cast<unsigned>(activity.samples), kWarp, 0, stream>>>(activity);
    CheckCuda(cudaGetLastError(), "activity");
  }
}

}  // namespace spikeserve::cuda
