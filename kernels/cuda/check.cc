#include "kernels/cuda/check.h"

#include <string>

#include "kernels/cuda/device_error.h"

namespace spikeserve::cuda {
namespace {

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
    case cudaErrorContextIsDestroyed:
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
  throw DeviceError(Classify(result), message);
}

void IgnoreCuda(cudaError_t result) {
  if (result != cudaSuccess) {
    (void)cudaGetLastError();
  }
}

}  // namespace spikeserve::cuda
