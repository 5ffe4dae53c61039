#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/engine/cuda/ages.h"
#include "server/engine/cuda/answers.h"
#include "server/engine/cuda/pipeline.h"
#include "server/engine/cuda/sample_trace.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/early_exit.h"
#include "server/engine/run/progress.h"

namespace spikeserve::engine {

// A Status for what a device threw.
Status StatusOf(const cuda::DeviceError& error);

// Where workspaces for batches of one size come from, and where they go when they are no longer used. `take`
// may throw cuda::DeviceError.
struct CudaWorkspaces {
  std::function<Result<std::unique_ptr<CudaWorkspace>>(const CheckedSpec&)> take;
  std::function<void(std::unique_ptr<CudaWorkspace>)> give;
};

// A batch on the GPU; the state of a session stays there between its pieces. One thread at a time.
class CudaSimulation final : public Simulation {
 public:
  // Uploads what is held, unless the spec says session. Throws cuda::DeviceError. Gives the workspace back
  // when all went well.
  CudaSimulation(std::unique_ptr<CudaWorkspace> workspace, std::span<const SampleInputs> samples,
                 CudaWorkspaces workspaces);
  ~CudaSimulation() override;

  Status Advance(std::int64_t steps, const StopCheck& stopped) override;
  Result<Reading> Read() override;
  bool finished() const override { return exit_ && exit_->finished(); }
  Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) override;
  Status Reset(std::span<const std::int64_t> samples) override;

 private:
  class Exiting;  // the batch as early exit sees it

  const CudaRun& run() const { return workspace_->run(); }
  // The Status of work on the device, which must not go on once a call to it failed.
  template <typename Work>
  Status OnDevice(const Work& work);

  Status AdvanceTo(std::int64_t step, const StopCheck& stopped);
  Status RunTo(std::int64_t step, const StopCheck& stopped);
  void FillPipeline(std::int64_t step);
  void Collect(const CudaPipeline::Chunk& chunk);
  void KeepTraces(const CudaPipeline::Chunk& chunk);

  SampleTrace NewTrace() const;
  Status ChangeSpec(const CheckedSpec& spec);

  void RunAhead();
  CudaSampleAnswers AnswersOf(std::size_t sample) const;
  Reading MakeReading() const;

  std::unique_ptr<CudaWorkspace> workspace_;
  std::unique_ptr<CudaPipeline> pipeline_;
  std::vector<SampleInputs> samples_;
  const CudaWorkspaces workspaces_;
  Progress progress_;            // what Advance was asked for: more than done_ once early exit is finished
  std::int64_t done_ = 0;        // steps that all samples have run, or would have, had none been reset
  std::int64_t last_steps_ = 1;  // of the last chunk
  CudaAges ages_;
  ReadoutCorrection correction_;
  std::optional<StoppedAnswers> exit_;
  std::vector<SampleTrace> traces_;  // [sample]
  Status status_;                    // of the device: not OK for good once a call failed
};

}  // namespace spikeserve::engine
