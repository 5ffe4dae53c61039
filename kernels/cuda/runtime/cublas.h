#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <type_traits>

#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/digit_product.h"

namespace spikeserve::cuda {

// A cuBLAS handle on one stream with its own workspace, so that its products can be captured into graphs.
// cuBLAS is opened when the first one is made: machines without it still start. One thread at a time.
class Cublas {
 public:
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32}
                                                 << 20;  // what its documentation asks for on Hopper

  // `workspace` holds kWorkspaceBytes of device memory; both outlive the handle. Throws DeviceError.
  Cublas(cudaStream_t stream, void* workspace);

  void Run(const DigitProduct& product);
  void Run(const ByteProduct& product);

 private:
  struct Destroy {
    void operator()(cublasHandle_t handle) const;
  };

  cublasHandle_t Create() const;
  void Check(cublasStatus_t status, const char* what) const;

  const cudaStream_t stream_;
  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, Destroy> handle_;
};

// Empty where cuBLAS can be opened, else why not.
const char* CublasProblem();

}  // namespace spikeserve::cuda
