#include "kernels/cuda/runtime/cuda_queue.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/runtime/capture_mutex.h"
#include "kernels/cuda/runtime/cublas.h"
#include "kernels/cuda/runtime/handles.h"

namespace spikeserve::cuda {
namespace {

class CudaGraphProgram final : public CapturedProgram {
 public:
  explicit CudaGraphProgram(GraphExec exec) : exec_(std::move(exec)) {}
  cudaGraphExec_t exec() const { return exec_.get(); }

 private:
  GraphExec exec_;
};

class CudaMark final : public Mark {
 public:
  CudaMark() : event_(MakeEvent(false)) {}
  cudaEvent_t event() const { return event_.get(); }

 private:
  const Event event_;
};

// A stream, and a cuBLAS handle from the first product on.
class CudaQueue final : public Queue {
 public:
  CudaQueue(Device& device, Gpu& gpu)
      : device_(device), gpu_(gpu), stream_(gpu.On([] { return MakeStream(); })) {}
  ~CudaQueue() override {
    gpu_.Select();
    IgnoreCuda(cudaStreamSynchronize(stream_.get()));
  }

  void Run(const Program& program) override {
    gpu_.On([&] {
      OpenCublas(program);
      IssueAll(program);
    });
  }

  void PrepareProducts() override {
    gpu_.On([&] {
      if (!cublas_) {
        workspace_ = Memory(device_, Cublas::kWorkspaceBytes);
        // Not all versions of initcheck see what cuBLAS stores there, and would report that it is read.
        CheckCuda(cudaMemsetAsync(workspace_.data(), 0, Cublas::kWorkspaceBytes, stream_.get()), "clear");
        cublas_.emplace(stream_.get(), workspace_.data());
      }
    });
  }

  std::unique_ptr<CapturedProgram> Capture(const Program& program) override {
    return gpu_.On([&]() -> std::unique_ptr<CapturedProgram> {
      OpenCublas(program);  // allocates, which a capture must not
      const Graph graph = CaptureGraph(program);
      cudaGraphExec_t exec = nullptr;
      CheckCuda(cudaGraphInstantiate(&exec, graph.get(), 0), "instantiate graph");
      return std::make_unique<CudaGraphProgram>(GraphExec(exec));
    });
  }

  void Replay(CapturedProgram& captured) override {
    gpu_.On([&] {
      CheckCuda(cudaGraphLaunch(static_cast<CudaGraphProgram&>(captured).exec(), stream_.get()),
                "launch graph");
    });
  }

  void Upload(void* to, const void* from, std::size_t bytes) override {
    gpu_.On([&] {
      CheckCuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_.get()), "copy to device");
    });
  }
  void Download(void* to, const void* from, std::size_t bytes) override {
    gpu_.On([&] {
      CheckCuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()), "copy from device");
    });
  }
  void Wait() override {
    gpu_.On([&] { CheckCuda(cudaStreamSynchronize(stream_.get()), "wait for device"); });
  }

  std::unique_ptr<Mark> NewMark() override {
    return gpu_.On([] { return std::make_unique<CudaMark>(); });
  }
  void Set(Mark& mark) override {
    gpu_.On(
        [&] { CheckCuda(cudaEventRecord(static_cast<CudaMark&>(mark).event(), stream_.get()), "set mark"); });
  }
  void Await(const Mark& mark) override {
    gpu_.On([&] {
      CheckCuda(cudaStreamWaitEvent(stream_.get(), static_cast<const CudaMark&>(mark).event(), 0),
                "await mark");
    });
  }
  void WaitFor(const Mark& mark) override {
    gpu_.On([&] {
      CheckCuda(cudaEventSynchronize(static_cast<const CudaMark&>(mark).event()), "wait for mark");
    });
  }

 private:
  void OpenCublas(const Program& program) {
    const bool has_products = std::any_of(program.begin(), program.end(), [](const Call& call) {
      return std::holds_alternative<DigitProduct>(call) || std::holds_alternative<ByteProduct>(call);
    });
    if (has_products) {
      PrepareProducts();
    }
  }

  Graph CaptureGraph(const Program& program) {
    const std::lock_guard lock(CaptureMutex());
    CheckCuda(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "begin capture");
    cudaGraph_t raw = nullptr;
    try {
      IssueAll(program);
    } catch (...) {
      IgnoreCuda(cudaStreamEndCapture(stream_.get(), &raw));  // which says once more that it failed
      const Graph dropped(raw);
      throw;
    }
    CheckCuda(cudaStreamEndCapture(stream_.get(), &raw), "end capture");
    return Graph(raw);
  }

  void IssueAll(const Program& program) {
    for (const Call& call : program) {
      std::visit([this](const auto& work) { Issue(work); }, call);
    }
  }
  template <typename Work>
  void Issue(const Work& work) {
    Launch(work, stream_.get());
  }
  void Issue(const DigitProduct& product) { cublas_->Run(product); }
  void Issue(const ByteProduct& product) { cublas_->Run(product); }
  void Issue(const FillZero& fill) {
    CheckCuda(cudaMemsetAsync(fill.to, 0, fill.bytes, stream_.get()), "fill");
  }
  void Issue(const Copy& copy) {
    CheckCuda(cudaMemcpyAsync(copy.to, copy.from, copy.bytes, cudaMemcpyDeviceToDevice, stream_.get()),
              "copy");
  }

  Device& device_;
  Gpu& gpu_;
  const Stream stream_;
  Memory workspace_;
  std::optional<Cublas> cublas_;  // behind the stream and the workspace, which it uses
};

}  // namespace

std::unique_ptr<Queue> MakeCudaQueue(Device& device, Gpu& gpu) {
  return std::make_unique<CudaQueue>(device, gpu);
}

}  // namespace spikeserve::cuda
