#include "server/engine/cuda/make_cuda_backend.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime/cuda_device.h"
#include "server/engine/cuda/backend.h"

namespace spikeserve::engine {
namespace {

// Those that work. Throws what the last says where there is none.
std::vector<std::unique_ptr<cuda::Device>> MakeDevices() {
  std::vector<std::unique_ptr<cuda::Device>> devices;
  const int count = std::max(1, cuda::CudaDeviceCount());
  for (int index = 0; index < count; ++index) {
    try {
      devices.push_back(cuda::MakeCudaDevice(index));
    } catch (const cuda::DeviceError&) {
      if (index + 1 == count && devices.empty()) {
        throw;
      }
    }
  }
  return devices;
}

}  // namespace
Result<std::unique_ptr<Backend>> MakeCudaBackend(std::unique_ptr<Backend> cpu) {
  try {
    return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(MakeDevices(), std::move(cpu)));
  } catch (const cuda::DeviceError& error) {
    return FailedPrecondition(std::string("backend cuda: no GPU can be used (") + error.what() +
                              "); use cpu or auto");
  }
}

}  // namespace spikeserve::engine
