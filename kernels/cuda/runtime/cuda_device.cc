#include "kernels/cuda/runtime/cuda_device.h"

#include <cuda_runtime_api.h>

#include <string>

#include "kernels/cuda/check.h"
#include "kernels/cuda/runtime/cublas.h"
#include "kernels/cuda/runtime/cuda_queue.h"
#include "kernels/cuda/runtime/gpu.h"
#include "kernels/cuda/runtime/self_test.h"

namespace spikeserve::cuda {
namespace {

// Has tensor cores with float16, and is what CUDA 13 still builds for.
constexpr int kOldestMajor = 7, kOldestMinor = 5;

// One GPU through the CUDA runtime.
class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) : gpu_(index) {
    cudaDeviceProp properties{};
    gpu_.On([&] { CheckCuda(cudaGetDeviceProperties(&properties, index), "read device properties"); });
    name_ = properties.name;
    if (properties.major < kOldestMajor ||
        (properties.major == kOldestMajor && properties.minor < kOldestMinor)) {
      throw DeviceError(Failure::kUnavailable,
                        name_ + " has compute capability " + std::to_string(properties.major) + "." +
                            std::to_string(properties.minor) + ", wanted 7.5 or later");
    }
    if (const char* problem = CublasProblem(); *problem != '\0') {
      throw DeviceError(Failure::kUnavailable, problem);
    }
    limits_.memory_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
    limits_.l2_bytes = properties.l2CacheSize;
    limits_.product_workspace_bytes = static_cast<std::int64_t>(Cublas::kWorkspaceBytes);
    TestDevice(*this);
    limits_.byte_products = SumsBytesExactly(*this);
    gpu_.health().SetWorks();
  }

  std::string name() const override { return name_; }
  const DeviceLimits& limits() const override { return limits_; }

  void* Allocate(std::size_t bytes) override {
    return gpu_.On([&] {
      void* memory = nullptr;
      CheckCuda(cudaMalloc(&memory, bytes), "allocate device memory");
      return memory;
    });
  }
  void* AllocatePinned(std::size_t bytes) override {
    return gpu_.On([&] {
      void* memory = nullptr;
      CheckCuda(cudaMallocHost(&memory, bytes), "allocate pinned memory");
      return memory;
    });
  }
  void Free(void* memory) noexcept override {
    gpu_.Select();
    IgnoreCuda(cudaFree(memory));
  }
  void FreePinned(void* memory) noexcept override {
    gpu_.Select();
    IgnoreCuda(cudaFreeHost(memory));
  }
  std::unique_ptr<Queue> NewQueue(QueueUse) override { return MakeCudaQueue(*this, gpu_); }

  std::int64_t free_bytes() const override {
    return gpu_.On([&] {
      std::size_t free = 0;
      std::size_t total = 0;
      CheckCuda(cudaMemGetInfo(&free, &total), "read free memory");
      return static_cast<std::int64_t>(free);
    });
  }

  std::string broken() const override { return gpu_.health().lost(); }

 private:
  std::string name_;
  DeviceLimits limits_;
  mutable Gpu gpu_;
};

}  // namespace

int CudaDeviceCount() {
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  IgnoreCuda(result);
  return result == cudaSuccess ? count : 0;
}

std::unique_ptr<Device> MakeCudaDevice(int index) {
  int count = 0;
  CheckCuda(cudaGetDeviceCount(&count), "look for GPUs");
  if (index >= count) {
    throw DeviceError(Failure::kUnavailable,
                      "GPU " + std::to_string(index) + " wanted, this machine has " + std::to_string(count));
  }
  return std::make_unique<CudaDevice>(index);
}

}  // namespace spikeserve::cuda
