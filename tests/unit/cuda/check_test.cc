// What kind of failure an error of CUDA is, and that no error stays behind.

#include "kernels/cuda/check.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::testing {
namespace {

using cuda::Failure;

TEST(CheckCuda, SaysWhatKindOfFailureAnErrorIs) {
  const std::vector<std::pair<cudaError_t, Failure>> errors = {
      {cudaErrorMemoryAllocation, Failure::kOutOfMemory},
      {cudaErrorNoDevice, Failure::kUnavailable},
      {cudaErrorDevicesUnavailable, Failure::kUnavailable},
      {cudaErrorIllegalAddress, Failure::kLost},
      {cudaErrorLaunchFailure, Failure::kLost},
      {cudaErrorECCUncorrectable, Failure::kLost},
      {cudaErrorContextIsDestroyed, Failure::kLost},
      {cudaErrorStreamCaptureInvalidated, Failure::kRefused},
      {cudaErrorInvalidValue, Failure::kRefused}};
  for (const auto& [result, failure] : errors) {
    try {
      cuda::CheckCuda(result, "call");
      ADD_FAILURE() << "nothing was thrown for " << cudaGetErrorName(result);
    } catch (const cuda::DeviceError& error) {
      EXPECT_EQ(error.failure(), failure) << error.what();
      EXPECT_EQ(std::string(error.what()).rfind("call: " + std::string(cudaGetErrorName(result)), 0), 0U);
    }
  }
  EXPECT_NO_THROW(cuda::CheckCuda(cudaSuccess, "call"));
}

// An error that nobody is told of is not found by the next check.
TEST(IgnoreCuda, LeavesNoErrorBehind) {
  if (int count = 0; cudaGetDeviceCount(&count) != cudaSuccess) {
    GTEST_SKIP() << "no driver, which every call complains of";
  }
  cuda::IgnoreCuda(cudaFree(reinterpret_cast<void*>(1)));  // no memory of CUDA
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

}  // namespace
}  // namespace spikeserve::testing
