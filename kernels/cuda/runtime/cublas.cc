#include "kernels/cuda/runtime/cublas.h"

#include <dlfcn.h>

#include <mutex>
#include <string>

#include "kernels/cuda/check.h"
#include "kernels/cuda/runtime/capture_mutex.h"
#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {
namespace {

// cublasGemmEx, of whose overloads this is the one that the library exports.
using GemmEx = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                                  const void*, const void*, cudaDataType, int, const void*, cudaDataType, int,
                                  const void*, void*, cudaDataType, int, cublasComputeType_t,
                                  cublasGemmAlgo_t);

// The few functions of cuBLAS that are used, looked up once.
struct Functions {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasDestroy_v2) destroy = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
  decltype(&cublasSetMathMode) set_math_mode = nullptr;
  GemmEx gemm = nullptr;
  std::string problem;
};

template <typename Function>
void Look(void* library, const char* name, Function& function, std::string& problem) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    problem = std::string("cuBLAS lacks ") + name;
  }
}

Functions Open() {
  Functions functions;
  void* library = dlopen("libcublas.so.13", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    functions.problem =
        std::string("cuBLAS 13 cannot be opened: ") + (reason != nullptr ? reason : "no reason given");
    return functions;
  }
  Look(library, "cublasCreate_v2", functions.create, functions.problem);
  Look(library, "cublasDestroy_v2", functions.destroy, functions.problem);
  Look(library, "cublasSetStream_v2", functions.set_stream, functions.problem);
  Look(library, "cublasSetWorkspace_v2", functions.set_workspace, functions.problem);
  Look(library, "cublasSetMathMode", functions.set_math_mode, functions.problem);
  Look(library, "cublasGemmEx", functions.gemm, functions.problem);
  return functions;
}

const Functions& Get() {
  static const Functions functions = Open();
  return functions;
}

}  // namespace

const char* CublasProblem() { return Get().problem.c_str(); }

Cublas::Cublas(cudaStream_t stream, void* workspace) : stream_(stream) {
  const Functions& cublas = Get();
  if (!cublas.problem.empty()) {
    throw DeviceError(Failure::kUnavailable, cublas.problem);
  }
  handle_.reset(Create());
  Check(cublas.set_stream(handle_.get(), stream), "set stream");
  Check(cublas.set_workspace(handle_.get(), workspace, kWorkspaceBytes), "set workspace");
  // Sums of parts must stay float32: the products are exact integers only there.
  Check(cublas.set_math_mode(handle_.get(),
                             static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                                       CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
        "set math mode");
}

// Without memory for a handle cuBLAS says that it is not initialized.
cublasHandle_t Cublas::Create() const {
  const std::lock_guard lock(CaptureMutex());
  cublasHandle_t handle = nullptr;
  const cublasStatus_t status = Get().create(&handle);
  Check(status == CUBLAS_STATUS_NOT_INITIALIZED ? CUBLAS_STATUS_ALLOC_FAILED : status, "create");
  return handle;
}

void Cublas::Destroy::operator()(cublasHandle_t handle) const {
  const std::lock_guard lock(CaptureMutex());
  (void)Get().destroy(handle);
}

// cuBLAS counts by columns: its matrices are the transposes of ours.
void Cublas::Run(const DigitProduct& product) {
  const float one = 1.0F;
  const float zero = 0.0F;
  const auto columns = static_cast<int>(product.columns());
  Check(Get().gemm(handle_.get(), CUBLAS_OP_N, CUBLAS_OP_N, columns, static_cast<int>(product.rows),
                   static_cast<int>(product.depth), &one, product.digits, CUDA_R_16F, columns, product.cells,
                   CUDA_R_16F, static_cast<int>(product.stride), &zero, product.sums, CUDA_R_32F, columns,
                   CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "product");
}

// The one layout in which tensor cores take bytes: both operands lie along the depth.
void Cublas::Run(const ByteProduct& product) {
  const std::int32_t one = 1;
  const std::int32_t zero = 0;
  const auto columns = static_cast<int>(product.columns);
  const auto depth = static_cast<int>(product.depth);
  Check(Get().gemm(handle_.get(), CUBLAS_OP_T, CUBLAS_OP_N, columns, static_cast<int>(product.rows), depth,
                   &one, product.digits, CUDA_R_8I, depth, product.cells, CUDA_R_8I,
                   static_cast<int>(product.stride), &zero, product.sums, CUDA_R_32I, columns,
                   CUBLAS_COMPUTE_32I, CUBLAS_GEMM_DEFAULT),
        "product of bytes");
}

// What broke the device, if it is broken: cuBLAS itself only says that it did not work.
void Cublas::Check(cublasStatus_t status, const char* what) const {
  if (status == CUBLAS_STATUS_SUCCESS) {
    return;
  }
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  CheckCuda(cudaStreamIsCapturing(stream_, &capture), what);
  if (capture == cudaStreamCaptureStatusNone) {  // a stream that is captured must not be waited for
    CheckCuda(cudaStreamSynchronize(stream_), what);
  }
  const std::string message = std::string("cuBLAS ") + what + ": ";
  if (status == CUBLAS_STATUS_ALLOC_FAILED) {
    throw DeviceError(Failure::kOutOfMemory, message + "out of memory");
  }
  throw DeviceError(Failure::kRefused, message + "status " + std::to_string(status));
}

}  // namespace spikeserve::cuda
