#include <cstdint>

#include "kernels/cuda/runtime/cuda_device.h"
#include "kernels/math/philox.h"
#include "kernels/math/spiking.h"
#include "tests/bench/gpu/ceilings.h"
#include "tests/bench/gpu/timing.h"

namespace spikeserve::bench {
namespace {

constexpr int kRepetitions = 9;
constexpr std::size_t kMega = std::size_t{1} << 20;

__global__ void Nothing() {}

// Random bits, so that no product runs on zeros.
__global__ void FillRandom(std::uint32_t* words, std::size_t count, std::uint32_t mask, std::uint32_t set) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x) {
    const math::PhiloxBlock block = math::Philox({{static_cast<std::uint32_t>(i), 0, 0, 0}}, 1, 2);
    words[i] = (block.word[0] & mask) | set;
  }
}

__global__ void CopyWords(const uint4* from, uint4* to, std::size_t count) {
  for (std::size_t i = blockIdx.x * std::size_t{blockDim.x} + threadIdx.x; i < count;
       i += std::size_t{gridDim.x} * blockDim.x) {
    to[i] = from[i];
  }
}

// Filter, membrane and floor with everything in registers.
__global__ void ScanInRegisters(float* out, int steps) {
  math::NeuronState state{.voltage = 1e-3F * static_cast<float>(threadIdx.x)};
  float filter = 0.0F;
  float spikes = 0.0F;
  for (int step = 0; step < steps; ++step) {
    filter = fmaf(0.8F, filter, state.voltage);
    spikes += math::spiking::RectifiedLinear{}(filter, state);
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = spikes + state.voltage;
}

class Probe {
 public:
  Probe() : device_(cuda::MakeCudaDevice(0)), stream_(cuda::MakeStream()) {
    CheckCublas(cublasCreate(&blas_), "create");
    CheckCublas(cublasSetStream(blas_, stream_.get()), "set stream");
  }
  ~Probe() { (void)cublasDestroy(blas_); }

  Ceilings Run() {
    Ceilings ceilings;
    ceilings.device = device_->name();
    ceilings.copy_bytes = CopyRate(2048 * kMega, 1);
    ceilings.l2_bytes = CopyRate(8 * kMega, 20);
    ceilings.fp32_flops = ProductRate(CUDA_R_32F, CUBLAS_COMPUTE_32F, 4096);
    ceilings.tf32_flops = ProductRate(CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, 8192);
    ceilings.fp16_flops = ProductRate(CUDA_R_16F, CUBLAS_COMPUTE_32F, 8192);
    ceilings.int8_ops = ProductRate(CUDA_R_8I, CUBLAS_COMPUTE_32I, 8192);
    ceilings.neuron_steps = ScanRate();
    ceilings.launch_s = Launch(false);
    ceilings.node_s = Launch(true);
    ceilings.upload_bytes = TransferRate(cudaMemcpyHostToDevice);
    ceilings.download_bytes = TransferRate(cudaMemcpyDeviceToHost);
    return ceilings;
  }

 private:
  double CopyRate(std::size_t bytes, int times) {
    const cuda::Memory from(*device_, bytes);
    const cuda::Memory to(*device_, bytes);
    const double seconds = MedianSeconds(stream_.get(), kRepetitions, [&] {
      for (int i = 0; i < times; ++i) {
        CopyWords<<<132 * 16, 256, 0, stream_.get()>>>(reinterpret_cast<const uint4*>(from.data()),
                                                       reinterpret_cast<uint4*>(to.data()),
                                                       bytes / sizeof(uint4));
      }
      cuda::CheckCuda(cudaGetLastError(), "copy");
    });
    return 2.0 * static_cast<double>(bytes) * times / seconds;
  }

  double ProductRate(cudaDataType type, cublasComputeType_t compute, int n) {
    const std::size_t elements = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
    const cuda::Memory a(*device_, elements * 4);
    const cuda::Memory b(*device_, elements * 4);
    const cuda::Memory c(*device_, elements * 4);
    // Numbers between 1 and 2 in float32 and float16, whatever in int8.
    const std::uint32_t set = type == CUDA_R_32F ? 0x3f800000U : (type == CUDA_R_16F ? 0x3c003c00U : 0U);
    const std::uint32_t mask =
        type == CUDA_R_32F ? 0x007fffffU : (type == CUDA_R_16F ? 0x03ff03ffU : 0xffffffffU);
    for (const cuda::Memory* memory : {&a, &b}) {
      FillRandom<<<1024, 256, 0, stream_.get()>>>(reinterpret_cast<std::uint32_t*>(memory->data()), elements,
                                                  mask, set);
    }
    const float one = 1.0F, zero = 0.0F;
    const std::int32_t int_one = 1, int_zero = 0;
    const bool integers = type == CUDA_R_8I;
    const cudaDataType out = integers ? CUDA_R_32I : CUDA_R_32F;
    const double seconds = MedianSeconds(stream_.get(), kRepetitions, [&] {
      CheckCublas(cublasGemmEx(blas_, CUBLAS_OP_T, CUBLAS_OP_N, n, n, n,
                               integers ? static_cast<const void*>(&int_one) : &one, a.data(), type, n,
                               b.data(), type, n, integers ? static_cast<const void*>(&int_zero) : &zero,
                               c.data(), out, n, compute, CUBLAS_GEMM_DEFAULT),
                  "product");
    });
    return 2.0 * n * static_cast<double>(n) * n / seconds;
  }

  double ScanRate() {
    constexpr int kBlocks = 132 * 16, kThreads = 128, kSteps = 4096;
    const cuda::Memory out(*device_, std::size_t{kBlocks} * kThreads * sizeof(float));
    const double seconds = MedianSeconds(stream_.get(), kRepetitions, [&] {
      ScanInRegisters<<<kBlocks, kThreads, 0, stream_.get()>>>(reinterpret_cast<float*>(out.data()), kSteps);
      cuda::CheckCuda(cudaGetLastError(), "scan");
    });
    return static_cast<double>(kBlocks) * kThreads * kSteps / seconds;
  }

  double Launch(bool in_graph) {
    constexpr int kLaunches = 1000;
    const auto launch_all = [&] {
      for (int i = 0; i < kLaunches; ++i) {
        Nothing<<<1, 1, 0, stream_.get()>>>();
      }
    };
    if (!in_graph) {
      return MedianSeconds(stream_.get(), kRepetitions, launch_all) / kLaunches;
    }
    cuda::CheckCuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "begin capture");
    launch_all();
    cudaGraph_t raw = nullptr;
    cuda::CheckCuda(cudaStreamEndCapture(stream_.get(), &raw), "end capture");
    const cuda::Graph graph(raw);
    cudaGraphExec_t raw_exec = nullptr;
    cuda::CheckCuda(cudaGraphInstantiate(&raw_exec, graph.get(), 0), "instantiate graph");
    const cuda::GraphExec exec(raw_exec);
    return MedianSeconds(
               stream_.get(), kRepetitions,
               [&] { cuda::CheckCuda(cudaGraphLaunch(exec.get(), stream_.get()), "launch graph"); }) /
           kLaunches;
  }

  double TransferRate(cudaMemcpyKind kind) {
    constexpr std::size_t kBytes = 256 * kMega;
    const cuda::Memory device(*device_, kBytes);
    const cuda::Memory pinned(*device_, kBytes, true);
    const bool up = kind == cudaMemcpyHostToDevice;
    const double seconds = MedianSeconds(stream_.get(), kRepetitions, [&] {
      cuda::CheckCuda(cudaMemcpyAsync(up ? device.data() : pinned.data(), up ? pinned.data() : device.data(),
                                      kBytes, kind, stream_.get()),
                      "transfer");
    });
    return static_cast<double>(kBytes) / seconds;
  }

  const std::unique_ptr<cuda::Device> device_;
  const cuda::Stream stream_;
  cublasHandle_t blas_ = nullptr;
};

}  // namespace

Ceilings MeasureCeilings() { return Probe().Run(); }

std::vector<Line> LinesOf(const Ceilings& c) {
  return {{"copy", c.copy_bytes / 1e12, "TB/s"},
          {"copy in L2", c.l2_bytes / 1e12, "TB/s"},
          {"fp32 product", c.fp32_flops / 1e12, "TFLOP/s"},
          {"TF32 product", c.tf32_flops / 1e12, "TFLOP/s"},
          {"fp16 product", c.fp16_flops / 1e12, "TFLOP/s"},
          {"int8 product", c.int8_ops / 1e12, "TOP/s"},
          {"scan", c.neuron_steps / 1e12, "T neuron-steps/s"},
          {"launch", c.launch_s * 1e6, "us"},
          {"graph node", c.node_s * 1e6, "us"},
          {"upload", c.upload_bytes / 1e9, "GB/s"},
          {"download", c.download_bytes / 1e9, "GB/s"}};
}

}  // namespace spikeserve::bench
