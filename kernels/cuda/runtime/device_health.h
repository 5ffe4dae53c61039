#pragma once

#include <mutex>
#include <string>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {

// What is known of whether one device works. Thread-safe.
class DeviceHealth {
 public:
  // It has given right results: a device that is not there from now on is lost.
  void SetWorks();
  // body(), all of it on this device; what it throws is put down here and goes on, as kLost where it means
  // that.
  template <typename Body>
  auto Watch(Body body) {
    try {
      return body();
    } catch (const DeviceError& error) {
      throw PutDown(error);
    }
  }
  // The first error after which this process cannot use the device any more; empty while there was none.
  std::string lost() const;

 private:
  DeviceError PutDown(const DeviceError& error);

  mutable std::mutex mu_;
  bool works_ = false;
  std::string lost_;
};

}  // namespace spikeserve::cuda
