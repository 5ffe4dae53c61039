#include <cstring>

#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/runtime/cuda_device.h"
#include "kernels/math/spiking.h"
#include "server/engine/network/index.h"
#include "tests/bench/gpu/per_step.h"
#include "tests/bench/gpu/timing.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

constexpr int kBlock = 256;

unsigned Blocks(std::int64_t threads) { return static_cast<unsigned>((threads + kBlock - 1) / kBlock); }

// One layer in device memory.
struct Stage {
  std::int64_t in = 0, cells = 0, out = 0;  // elements of the source, of the product's input, of the layer
  std::int64_t lines = 1, depth = 0, width = 0;  // the product of one sample: [lines][depth] x [depth][width]
  bool neurons = false, conv = false;
  cuda::ConvMap map;
  float decay = 0;
  bool filtered = false;
  const std::int64_t* gather_start = nullptr;
  const std::int32_t* gather_index = nullptr;
  const float *source = nullptr, *weights = nullptr, *scale = nullptr, *bias = nullptr;
  float *gathered = nullptr, *columns = nullptr, *sums = nullptr, *filter = nullptr, *voltage = nullptr,
        *emitted = nullptr;
};

__global__ void GatherCells(const __grid_constant__ Stage stage, std::int64_t threads) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= threads) {
    return;
  }
  const std::int64_t c = i % stage.cells;
  const float* const source = stage.source + i / stage.cells * stage.in;
  float sum = 0.0F;
  for (std::int64_t e = stage.gather_start[c]; e < stage.gather_start[c + 1]; ++e) {
    sum += source[stage.gather_index[e]];
  }
  stage.gathered[i] = sum;
}

__global__ void MakeColumns(const __grid_constant__ Stage stage, const float* cells, std::int64_t threads) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= threads) {
    return;
  }
  const cuda::ConvMap& g = stage.map;
  const auto k = static_cast<std::int32_t>(i % stage.depth);
  const std::int64_t line = i / stage.depth;
  const auto pixel = static_cast<std::int32_t>(line % stage.lines);
  const std::int32_t tap = k / g.in_channels;
  const std::int32_t y = pixel / g.out_width * g.stride_y + tap / g.kernel_width * g.dilation_y - g.pad_top;
  const std::int32_t x = pixel % g.out_width * g.stride_x + tap % g.kernel_width * g.dilation_x - g.pad_left;
  const bool inside = y >= 0 && y < g.in_height && x >= 0 && x < g.in_width;
  const std::int64_t cell = (std::int64_t{y} * g.in_width + x) * g.in_channels + k % g.in_channels;
  stage.columns[i] = inside ? cells[line / stage.lines * stage.cells + cell] : 0.0F;
}

// One step of the neurons, or one step of the sum of the outputs.
__global__ void StepStage(const __grid_constant__ Stage stage, std::int64_t threads) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kBlock + threadIdx.x;
  if (i >= threads) {
    return;
  }
  const std::int64_t j = i % stage.out;
  float current = stage.sums[i] * stage.scale[j];
  if (stage.filtered) {
    const float held = stage.filter[i];
    stage.filter[i] = fmaf(stage.decay, held, current);
    current = held;
  }
  if (stage.neurons) {
    math::NeuronState state{.voltage = stage.voltage[i]};
    stage.emitted[i] = math::spiking::RectifiedLinear{}(current + stage.bias[j], state);
    stage.voltage[i] = state.voltage;
  } else {
    stage.emitted[i] += current + stage.bias[j];
  }
}

class PerStepRun final : public PerStep {
 public:
  PerStepRun(const engine::Plan& plan, const std::vector<engine::LayerConstants>& constants,
             const std::vector<float>& inputs, std::int64_t samples, std::int64_t steps, bool tf32)
      : device_(cuda::MakeCudaDevice(0)), stream_(cuda::MakeStream()), samples_(samples), steps_(steps) {
    CheckCublas(cublasCreate(&blas_), "create");
    CheckCublas(cublasSetStream(blas_, stream_.get()), "set stream");
    workspace_ = Take(std::size_t{32} << 20);
    CheckCublas(cublasSetWorkspace(blas_, workspace_, std::size_t{32} << 20), "set workspace");
    CheckCublas(cublasSetMathMode(blas_, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH),
                "set math mode");
    const float* source = Put(inputs);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
      stages_.push_back(MakeStage(plan, l, constants[l], source));
      source = stages_.back().emitted;
    }
    // What was cleared and copied so far is not in the order of the stream, and what is captured has to have
    // run: its kernels are loaded then.
    cuda::CheckCuda(cudaDeviceSynchronize(), "wait for device");
    for (const Stage& stage : stages_) {
      Issue(stage);
    }
    cuda::CheckCuda(cudaStreamSynchronize(stream_.get()), "wait for device");
    Capture();
  }
  ~PerStepRun() override { (void)cublasDestroy(blas_); }

  double Seconds(int repetitions) override {
    return MedianSeconds(stream_.get(), repetitions, [&] {
      cuda::CheckCuda(cudaGraphLaunch(exec_.get(), stream_.get()), "launch graph");
    });
  }

  std::vector<float> Outputs() override {
    const Stage& last = stages_.back();
    std::vector<float> outputs(Index(samples_ * last.out));
    cuda::CheckCuda(
        cudaMemcpy(outputs.data(), last.emitted, outputs.size() * sizeof(float), cudaMemcpyDeviceToHost),
        "copy outputs");
    return outputs;
  }

 private:
  void* Take(std::size_t bytes) {
    memory_.emplace_back(*device_, bytes);
    cuda::CheckCuda(cudaMemset(memory_.back().data(), 0, bytes), "clear");
    return memory_.back().data();
  }
  float* Take(std::int64_t floats) { return static_cast<float*>(Take(Index(floats) * sizeof(float))); }
  template <typename T>
  T* Put(const std::vector<T>& values) {
    void* const to = Take(values.size() * sizeof(T));
    cuda::CheckCuda(cudaMemcpy(to, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "copy");
    return static_cast<T*>(to);
  }

  Stage MakeStage(const engine::Plan& plan, std::size_t l, const engine::LayerConstants& constants,
                  const float* source) {
    const engine::Layer& layer = plan.layers[l];
    if (layer.terms.size() != 1 || layer.terms[0].product.kind == kernels::ProductKind::kSparse) {
      throw std::runtime_error("the per-step design is written for chains of dense and convolutional layers");
    }
    const kernels::Product& product = layer.terms[0].product;
    const engine::Population& from = plan.populations[Index(layer.terms[0].population)];
    Stage stage;
    stage.in = from.size;
    stage.cells = product.in;
    stage.out = layer.size;
    stage.neurons = layer.emits();
    stage.conv = product.kind == kernels::ProductKind::kConv;
    stage.depth = product.in;
    stage.width = product.out;
    if (stage.conv) {
      SetConv(product.conv, stage);
    }
    stage.source = source;
    const std::vector<float> integers(product.integers.begin(), product.integers.end());
    stage.weights = Put(from.spiking ? integers : product.floats);
    stage.scale = Put(constants.terms[0].scale);
    stage.bias = Put(constants.bias);
    stage.filtered = constants.terms[0].filtered;
    stage.decay = constants.terms[0].decay;
    if (!product.gather.start.empty()) {
      stage.gather_start = Put(product.gather.start);
      stage.gather_index = Put(product.gather.index);
      stage.gathered = Take(samples_ * stage.cells);
    }
    stage.columns = stage.conv ? Take(samples_ * stage.lines * stage.depth) : nullptr;
    for (float** state : {&stage.sums, &stage.filter, &stage.voltage, &stage.emitted}) {
      *state = Take(samples_ * stage.out);
    }
    return stage;
  }

  static void SetConv(const kernels::ConvGeometry& g, Stage& stage) {
    const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
    stage.map = {narrow(g.in_height), narrow(g.in_width),     narrow(g.in_channels),   narrow(g.out_height),
                 narrow(g.out_width), narrow(g.out_channels), narrow(g.kernel_height), narrow(g.kernel_width),
                 narrow(g.stride_y),  narrow(g.stride_x),     narrow(g.dilation_y),    narrow(g.dilation_x),
                 narrow(g.pad_top),   narrow(g.pad_left),     narrow(g.groups)};
    stage.lines = g.out_height * g.out_width;
    stage.depth = g.kernel_height * g.kernel_width * g.in_channels;
    stage.width = g.out_channels;
  }

  void Issue(const Stage& stage) {
    const float* cells = stage.source;
    if (stage.gathered != nullptr) {
      const std::int64_t threads = samples_ * stage.cells;
      GatherCells<<<Blocks(threads), kBlock, 0, stream_.get()>>>(stage, threads);
      cells = stage.gathered;
    }
    if (stage.conv) {
      const std::int64_t threads = samples_ * stage.lines * stage.depth;
      MakeColumns<<<Blocks(threads), kBlock, 0, stream_.get()>>>(stage, cells, threads);
      cells = stage.columns;
    }
    const float one = 1.0F, zero = 0.0F;
    const auto width = static_cast<int>(stage.width);
    const auto depth = static_cast<int>(stage.depth);
    CheckCublas(cublasSgemm(blas_, CUBLAS_OP_N, CUBLAS_OP_N, width, static_cast<int>(samples_ * stage.lines),
                            depth, &one, stage.weights, width, cells, depth, &zero, stage.sums, width),
                "product");
    const std::int64_t threads = samples_ * stage.out;
    StepStage<<<Blocks(threads), kBlock, 0, stream_.get()>>>(stage, threads);
    cuda::CheckCuda(cudaGetLastError(), "launch");
  }

  void Capture() {
    cuda::CheckCuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "begin capture");
    for (const Stage& stage : stages_) {
      for (float* state : {stage.filter, stage.voltage, stage.emitted}) {
        cuda::CheckCuda(cudaMemsetAsync(state, 0, Index(samples_ * stage.out) * sizeof(float), stream_.get()),
                        "clear");
      }
    }
    for (std::int64_t step = 0; step < steps_; ++step) {
      for (const Stage& stage : stages_) {
        Issue(stage);
      }
    }
    cudaGraph_t raw = nullptr;
    cuda::CheckCuda(cudaStreamEndCapture(stream_.get(), &raw), "end capture");
    const cuda::Graph graph(raw);
    cudaGraphExec_t exec = nullptr;
    cuda::CheckCuda(cudaGraphInstantiate(&exec, graph.get(), 0), "instantiate graph");
    exec_ = cuda::GraphExec(exec);
  }

  const std::unique_ptr<cuda::Device> device_;
  const cuda::Stream stream_;
  const std::int64_t samples_, steps_;
  cublasHandle_t blas_ = nullptr;
  void* workspace_ = nullptr;
  std::vector<cuda::Memory> memory_;
  std::vector<Stage> stages_;
  cuda::GraphExec exec_;
};

}  // namespace

std::unique_ptr<PerStep> MakePerStep(const engine::Plan& plan,
                                     const std::vector<engine::LayerConstants>& constants,
                                     const std::vector<float>& inputs, std::int64_t samples,
                                     std::int64_t steps, bool tf32) {
  return std::make_unique<PerStepRun>(plan, constants, inputs, samples, steps, tf32);
}

}  // namespace spikeserve::bench
