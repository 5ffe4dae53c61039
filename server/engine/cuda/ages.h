#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/math/fold.h"
#include "server/engine/cuda/layout/program.h"
#include "server/engine/cuda/layout/run.h"

namespace spikeserve::engine {

// How many steps each sample of a batch has run, and what readout constants are multiplied by after so many.
// All samples are of one age unless some are reset. One thread at a time.
class CudaAges {
 public:
  // `run` outlives it.
  CudaAges(const CudaRun& run, std::size_t samples);

  // Every sample is so many steps older.
  void Step(std::int64_t steps);
  // These samples are at step 0 again.
  void Restart(std::span<const std::int64_t> samples);

  std::int64_t StepsOf(std::size_t sample) const { return ages_[age_[sample]].steps; }
  // Steps that the mean of a sample is over: 0 for the last step's value, negative where there is none yet.
  std::int64_t CountedBy(std::size_t sample) const { return Counted(StepsOf(sample)); }
  // Neighbours of one age; the last range takes the batch's padding along, up to `padded` samples.
  std::vector<CudaReadRange> Ranges(std::int64_t padded) const;

 private:
  // The fold of a bias: of u = 1 at every step.
  struct BiasFold {
    float filtered = 0, probed = 0, last = 0;
    double total = 0, start = 0;  // start: the sum when the mean began
  };
  struct Age {
    std::int64_t steps = 0;
    std::vector<BiasFold> bias;  // [probe of the spec]
  };

  Age Newborn() const;
  void Step(Age& age, std::int64_t steps) const;
  void DropUnused();
  std::int64_t Counted(std::int64_t steps) const;
  CudaReadRange RangeOf(const Age& age, std::int64_t first, std::int64_t count) const;

  const Readout readout_;
  std::vector<math::FoldFilters> filters_;  // [probe of the spec]
  std::vector<Age> ages_;
  std::vector<std::size_t> age_;  // [sample]: in ages_
};

}  // namespace spikeserve::engine
