#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/engine/cuda/ages.h"
#include "server/engine/cuda/early_exit.h"
#include "server/engine/cuda/pipeline.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/probe_recorder.h"

namespace spikeserve::engine {

// A Status for what a device threw.
Status StatusOf(const cuda::DeviceError& error);

// Where workspaces for batches of one size come from, and where they go when they are no longer used. `take`
// may throw cuda::DeviceError.
struct CudaWorkspaces {
  std::function<Result<std::unique_ptr<CudaWorkspace>>(const CheckedSpec&)> take;
  std::function<void(std::unique_ptr<CudaWorkspace>)> give;
};

// A batch on the GPU. One thread at a time.
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
  const CudaRun& run() const { return workspace_->run(); }

  Status AdvanceTo(std::int64_t step, const StopCheck& stopped);
  Status AdvanceUntilClear(std::int64_t step, const StopCheck& stopped);
  void FillPipeline(std::int64_t step);
  void Collect(const CudaPipeline::Chunk& chunk);
  void KeepTrajectories(const CudaPipeline::Chunk& chunk);
  void KeepRecords(const CudaPipeline::Chunk& chunk);

  ProbeRecorder NewRecorder(std::size_t index) const;
  Status ChangeSpec(const CheckedSpec& spec);

  // Runs what makes the answers, and the next chunk behind it where `run_ahead`, and waits for the answers.
  void FetchAnswers(bool run_ahead);
  void DownloadAnswers();
  Reading MakeReading() const;
  void ReadProbe(std::size_t probe, Reading& reading) const;
  void ReadRecord(std::size_t record, Reading& reading) const;
  void ReadStatistics(Reading& reading) const;
  bool HasFailed(std::size_t sample) const;
  Status SampleStatus(std::size_t sample, const Reading& reading) const;

  std::unique_ptr<CudaWorkspace> workspace_;
  std::unique_ptr<CudaPipeline> pipeline_;
  std::vector<SampleInputs> samples_;
  const CudaWorkspaces workspaces_;
  std::int64_t done_ = 0;  // steps that all samples have run, or would have, had none been reset
  std::int64_t promised_ =
      0;                     // steps that Advance was asked for: more than done_ once early exit is finished
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  std::int64_t last_steps_ = 1;  // of the last chunk
  bool fed_;                     // every sample has inputs
  CudaAges ages_;
  ReadoutCorrection correction_;
  std::optional<CudaEarlyExit> exit_;
  std::vector<std::vector<std::vector<double>>> trajectories_;  // [probe][sample]: [steps since fed][size]
  std::vector<std::vector<ProbeRecorder>> recorders_;           // [request probe][sample]
  Status status_;  // of the device: not OK for good once a call failed
};

}  // namespace spikeserve::engine
