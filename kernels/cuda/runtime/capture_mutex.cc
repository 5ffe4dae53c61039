#include "kernels/cuda/runtime/capture_mutex.h"

namespace spikeserve::cuda {

std::mutex& CaptureMutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace spikeserve::cuda
