#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_threads.cuh"

namespace spikeserve::cuda {

void Launch(const Encode& encode, cudaStream_t stream) { LaunchThreads(encode, stream, "encode"); }
void Launch(const Record& record, cudaStream_t stream) { LaunchThreads(record, stream, "record"); }

}  // namespace spikeserve::cuda
