#include "kernels/cuda/runtime/device_health.h"

namespace spikeserve::cuda {

void DeviceHealth::SetWorks() {
  const std::lock_guard lock(mu_);
  works_ = true;
}

std::string DeviceHealth::lost() const {
  const std::lock_guard lock(mu_);
  return lost_;
}

DeviceError DeviceHealth::PutDown(const DeviceError& error) {
  const std::lock_guard lock(mu_);
  const bool gone = works_ && error.failure() == Failure::kUnavailable;
  const Failure failure = gone ? Failure::kLost : error.failure();
  if (failure == Failure::kLost && lost_.empty()) {
    lost_ = error.what();
  }
  return {failure, error.what()};
}

}  // namespace spikeserve::cuda
