#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// Which samples of a batch have a clear answer, and what they had to say then. A batch runs on for the others
// until all have one. One thread at a time.
class CudaEarlyExit {
 public:
  CudaEarlyExit(const EarlyExit& rule, std::size_t samples) : rule_(rule), stopped_(samples) {}

  bool finished() const;
  // `reading` was taken after `done` steps, a multiple of the checks; `failed`: samples out of range.
  void Look(const Reading& reading, std::int64_t done, std::span<const std::int32_t> failed);
  // Puts what samples said when they stopped in place of what they say now, and the steps behind it.
  void Apply(std::int64_t done, Reading& reading) const;
  // What all said when they stopped. Of finished batches.
  Reading Answers(std::int64_t done) const;

 private:
  const EarlyExit rule_;
  std::vector<std::int64_t> stopped_;  // [sample]: steps after which it stopped, 0: not yet
  Reading kept_;                       // of the stopped samples
};

}  // namespace spikeserve::engine
