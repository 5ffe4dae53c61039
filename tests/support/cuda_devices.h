#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/runtime/host_device.h"
#ifdef SPIKESERVE_CUDA
#include "kernels/cuda/runtime/cuda_device.h"
#endif

// Devices that tests of kernels run on: host loops always, the GPU in builds that have kernels for it.
namespace spikeserve::testing {

inline std::vector<std::string> DeviceKinds() {
#ifdef SPIKESERVE_CUDA
  return {"HostLoops", "Gpu"};
#else
  return {"HostLoops"};
#endif
}

// Null, and why, where there is none.
inline std::unique_ptr<cuda::Device> MakeDevice(const std::string& kind, std::string& why_not) {
  if (kind == "HostLoops") {
    cuda::DeviceLimits limits;
    limits.memory_bytes = std::int64_t{1} << 32;
    return std::make_unique<cuda::HostDevice>(limits);
  }
#ifdef SPIKESERVE_CUDA
  try {
    return cuda::MakeCudaDevice(0);
  } catch (const cuda::DeviceError& error) {
    why_not = error.what();
  }
#else
  why_not = "this build has no CUDA kernels";
#endif
  return nullptr;
}

// A test that puts arrays on a device, runs calls there and looks at what came of it.
class DeviceTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string why_not;
    device_ = MakeDevice(GetParam(), why_not);
    if (device_ == nullptr) {
      GTEST_SKIP() << why_not;
    }
    queue_ = device_->NewQueue(cuda::QueueUse::kWork);
  }

  template <typename T>
  T* Put(const std::vector<T>& values) {
    memory_.emplace_back(*device_, values.size() * sizeof(T) + 1);
    T* const to = reinterpret_cast<T*>(memory_.back().data());
    const cuda::Memory staging(*device_, values.size() * sizeof(T) + 1, true);
    std::memcpy(staging.data(), values.data(), values.size() * sizeof(T));
    queue_->Upload(to, staging.data(), values.size() * sizeof(T));
    queue_->Wait();
    return to;
  }
  // Filled with bytes that are no number anybody would write.
  template <typename T>
  T* Make(std::size_t count) {
    return reinterpret_cast<T*>(Put(std::vector<std::byte>(count * sizeof(T), std::byte{0xa5})));
  }
  template <typename T>
  std::vector<T> Get(const T* from, std::size_t count) {
    const cuda::Memory staging(*device_, count * sizeof(T) + 1, true);
    queue_->Download(staging.data(), from, count * sizeof(T));
    queue_->Wait();
    std::vector<T> values(count);
    std::memcpy(values.data(), staging.data(), count * sizeof(T));
    return values;
  }
  void Run(const cuda::Program& program) {
    queue_->Run(program);
    queue_->Wait();
  }

  std::unique_ptr<cuda::Device> device_;

 private:
  std::vector<cuda::Memory> memory_;
  std::unique_ptr<cuda::Queue> queue_;
};

inline std::string DeviceName(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

#define SPIKESERVE_ON_DEVICES(Suite) \
  INSTANTIATE_TEST_SUITE_P(On, Suite, ::testing::ValuesIn(DeviceKinds()), DeviceName)

template <typename T>
bool SameBytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace spikeserve::testing
