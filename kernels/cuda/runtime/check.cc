#include "kernels/cuda/runtime/check.h"

#include <mutex>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {
namespace {

std::mutex lost_mu;
std::string lost_reason;  // guarded by lost_mu

Failure Classify(cudaError_t result) {
  switch (result) {
    case cudaErrorMemoryAllocation: return Failure::kOutOfMemory;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable: return Failure::kUnavailable;
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorMisalignedAddress:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorUnknown: return Failure::kLost;
    default: return Failure::kRefused;
  }
}

}  // namespace

void CheckCuda(cudaError_t result, const char* what) {
  if (result == cudaSuccess) {
    return;
  }
  (void)cudaGetLastError();  // or the next check would find an error again that does not last
  const std::string message =
      std::string(what) + ": " + cudaGetErrorName(result) + " (" + cudaGetErrorString(result) + ")";
  const Failure failure = Classify(result);
  if (failure == Failure::kLost) {
    const std::lock_guard lock(lost_mu);
    lost_reason = lost_reason.empty() ? message : lost_reason;
  }
  throw DeviceError(failure, message);
}

void IgnoreCuda(cudaError_t result) {
  if (result != cudaSuccess) {
    (void)cudaGetLastError();
  }
}

std::string LostReason() {
  const std::lock_guard lock(lost_mu);
  return lost_reason;
}

}  // namespace spikeserve::cuda
