#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/fold.h"
#include "server/engine/cuda_workspace.h"

namespace spikeserve::engine {

// A Status for what a device threw.
Status StatusOf(const cuda::DeviceError& error);

// A batch on the GPU. Runs on float16 spikes until a count is too large for them, then repeats the chunk with
// wider numbers and stays with those. One thread at a time.
class CudaSimulation final : public Simulation {
 public:
  using Return = std::function<void(std::unique_ptr<CudaWorkspace>)>;

  // Uploads what is held. Throws cuda::DeviceError. `give_back` gets the workspace when all went well.
  CudaSimulation(std::unique_ptr<CudaWorkspace> workspace, std::span<const SampleInputs> samples,
                 Return give_back);
  ~CudaSimulation() override;

  Status Advance(std::int64_t steps, const StopCheck& stopped) override;
  Result<Reading> Read() override;

 private:
  void UploadHeld();
  void UploadIndices();
  void Pack(std::int64_t done, std::int64_t steps, std::size_t slot);
  void UploadPacked(std::int64_t steps, std::size_t slot);
  void AdvanceChunk(std::int64_t steps, std::int64_t next_steps);
  void RunWide(std::int64_t steps);
  void KeepTrajectories(std::int64_t steps);
  void StepBiasFolds(std::int64_t steps);

  Reading MakeReading();
  void Download(std::int64_t counted);
  void ReadProbe(std::size_t probe, std::int64_t counted, Reading& reading) const;
  Status SampleStatus(std::size_t sample, const Reading& reading) const;
  std::int64_t CountedSteps() const;

  std::unique_ptr<CudaWorkspace> workspace_;
  const std::vector<SampleInputs> samples_;
  const Return give_back_;
  const CudaRun& run_;
  std::int64_t done_ = 0;
  bool wide_ = false;
  std::size_t slot_ = 0;                   // holds the inputs of the next chunk, where packed_ says so
  std::int64_t packed_ = 0;                // steps packed ahead
  std::vector<kernels::Fold> bias_folds_;  // [probe of the spec], one element
  std::vector<std::vector<double>> trajectories_;  // [probe]: [sample][steps][size]
  Status status_;                                  // of the device: not OK for good once a call failed
};

}  // namespace spikeserve::engine
