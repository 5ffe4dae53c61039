#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime/device.h"
#include "server/engine/cuda/layout/closed_program.h"
#include "server/engine/cuda/layout/program.h"
#include "server/engine/cuda/layout/staging.h"

namespace spikeserve::engine {

// Points at which the queues of a workspace meet.
struct CudaMarks {
  std::unique_ptr<cuda::Mark> landed;                           // of uploads: inputs are where they land
  std::unique_ptr<cuda::Mark> taken;                            // of work: and may be overwritten there
  std::unique_ptr<cuda::Mark> left;                             // of work: results are where they leave from
  std::array<std::unique_ptr<cuda::Mark>, kCudaSlots> fetched;  // of downloads: and are with the host
  std::unique_ptr<cuda::Mark> read;                             // of work: the answers of a reading are there
  std::unique_ptr<cuda::Mark> answered;                         // of downloads: and are with the host
};

// Everything one batch needs on a device: memory, constants, queues and the programs. Used again by later
// batches of the same size and of the same specification but for their start. One thread at a time.
class CudaWorkspace {
 public:
  // Throws cuda::DeviceError. All arguments but `spec` and `launch` outlive the workspace.
  CudaWorkspace(cuda::Device& device, const Plan& plan, const CudaWeights& weights, const CheckedSpec& spec,
                const CudaLaunchShape& launch);

  const CudaRun& run() const { return run_; }
  const CudaLaunchShape& launch() const { return launch_; }
  const CudaBuffers& buffers() const { return buffers_; }
  CudaStaging& staging() { return staging_; }
  // Kernels, copies to the device and copies from it: in order each, and among each other as marks say.
  cuda::Queue& work() { return *work_; }
  cuda::Queue& uploads() { return *uploads_; }
  cuda::Queue& downloads() { return *downloads_; }
  CudaMarks& marks() { return marks_; }
  // The specification of the next batch, which differs from the last in its start alone (equal SpecKey).
  // Nothing is on its way.
  void SetSpec(const CheckedSpec& spec);
  // Until nothing is left to do.
  void WaitForAll();
  CudaScene scene() const { return {run_, launch_, buffers_, constants_}; }
  // On the host, for the programs.
  static std::int64_t ProgramBytes(const CudaRun& run, const CudaLaunchShape& launch);
  // Bytes on the device, those of cuBLAS left out.
  std::int64_t bytes() const { return static_cast<std::int64_t>(memory_.bytes()); }

  // Work: every sample at step 0.
  void RunState();
  // Work: what inputs that are held cause.
  void RunInputs();
  void RunChunk(std::int64_t steps, bool wide);
  // Computes what layers in closed form have sent by now. Waits until that is done, as it may have to begin
  // anew with room for counts of more digits.
  void Settle();

 private:
  // A program that is launched call by call the first time, and as one graph from the second time on if it is
  // short enough for that.
  struct Prepared {
    cuda::Program program;
    std::unique_ptr<cuda::CapturedProgram> captured;
    bool has_run = false;
    bool refused = false;  // to be captured: always launched call by call
  };

  static constexpr std::size_t kMostChunks = 32;       // programs that are kept
  static constexpr std::size_t kMostCalls = 16384;     // of all of them, unless one alone has more
  static constexpr std::size_t kMostCaptured = 32768;  // longer programs take a graph longer than they save

  void UploadConstants();
  void UploadMemory(std::size_t layer);
  void UploadStart();
  void MakeMarks();
  bool GrowPlanes();
  void MakeRoom(std::size_t calls);
  void RunPrepared(Prepared& prepared);
  void CaptureIfWorthIt(Prepared& prepared);

  CudaRun run_;
  const CudaLaunchShape launch_;
  cuda::Memory memory_;
  CudaBuffers buffers_;
  cuda::Memory pinned_;
  CudaStaging staging_;
  std::vector<LayerConstants> constants_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<cuda::Queue> work_, uploads_, downloads_;
  CudaMarks marks_;
  Prepared state_, inputs_;
  CudaPlanes planes_;  // of closed_, which is empty until it is wanted
  Prepared closed_;
  std::size_t calls_ = 0;                                     // of chunks_
  std::map<std::pair<std::int64_t, bool>, Prepared> chunks_;  // behind the queue that captured them
};

}  // namespace spikeserve::engine
