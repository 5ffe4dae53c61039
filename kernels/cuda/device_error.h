#pragma once

#include <stdexcept>
#include <string>

namespace spikeserve::cuda {

enum class Failure {
  kOutOfMemory,  // what was there before is untouched
  kUnavailable,  // no device, no driver or no cuBLAS
  kRefused,      // a call was not possible; the device works on
  kLost,         // the device is in an error from which only a new process recovers
};

// Thrown by everything that talks to a device; the engine turns it into a Status.
class DeviceError : public std::runtime_error {
 public:
  DeviceError(Failure failure, const std::string& what) : std::runtime_error(what), failure_(failure) {}
  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

}  // namespace spikeserve::cuda
