#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_threads.cuh"

namespace spikeserve::cuda {

void Launch(const FilteredTerm& work, cudaStream_t stream) {
  LaunchThreads(work, stream, "filter of a term");
}
void Launch(const FilteredCells& work, cudaStream_t stream) {
  LaunchThreads(work, stream, "filter of a probe");
}

}  // namespace spikeserve::cuda
