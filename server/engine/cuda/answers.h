#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cuda/ages.h"
#include "server/engine/cuda/sample_trace.h"
#include "server/engine/cuda/workspace.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/sample_answers.h"

namespace spikeserve::engine {

// Runs what makes the answers of a batch, whose samples are as old as `ages` says, and puts them on their way
// to the staging. May throw cuda::DeviceError.
void SendAnswers(CudaWorkspace& workspace, const CudaAges& ages);
// Until they are there. May throw cuda::DeviceError.
void AwaitAnswers(CudaWorkspace& workspace);

// What the answers in the staging say of one sample. All arguments outlive it. One thread at a time.
class CudaSampleAnswers final : public SampleAnswers {
 public:
  CudaSampleAnswers(CudaWorkspace& workspace, const CudaAges& ages, const ReadoutCorrection& correction,
                    const SampleTrace& trace, std::size_t sample)
      : run_(workspace.run()),
        staging_(workspace.staging()),
        ages_(ages),
        correction_(correction),
        trace_(trace),
        sample_(sample) {}

  // Whether numbers of the sample left their range.
  bool failed() const;

  Status status() const override;
  std::int64_t spikes() const override { return staging_.sample_spikes[sample_]; }
  std::int64_t steps_done() const override { return ages_.StepsOf(sample_); }
  void ReadProbe(std::size_t index, std::span<double> values) const override;
  std::span<const double> Trajectory(std::size_t index) const override { return trace_.trajectory(index); }
  std::vector<double> Record(std::size_t index) const override { return trace_.Record(index); }
  std::vector<LayerActivity> Activity() const override;

 private:
  const CudaRun& run_;
  const CudaStaging& staging_;
  const CudaAges& ages_;
  const ReadoutCorrection& correction_;
  const SampleTrace& trace_;
  const std::size_t sample_;
};

}  // namespace spikeserve::engine
