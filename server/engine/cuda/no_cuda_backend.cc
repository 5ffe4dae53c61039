// In place of make_cuda_backend.cc where the build has no CUDA kernels.

#include "server/engine/cuda/make_cuda_backend.h"

namespace spikeserve::engine {

Result<std::unique_ptr<Backend>> MakeCudaBackend(std::unique_ptr<Backend> /*cpu*/) {
  return FailedPrecondition(
      "backend cuda: this build has no CUDA kernels (configure it with the preset cuda); use cpu or auto");
}

}  // namespace spikeserve::engine
