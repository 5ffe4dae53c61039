#pragma once

#include <cstdint>

#include "server/base/status.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// How far a simulation has come, and what may be asked of it next. One thread at a time.
class Progress {
 public:
  explicit Progress(const SimulationSpec& spec)
      : steps_(spec.settings.steps), in_one_(spec.in_one), fed_(!spec.session) {}

  // Whether `steps` further steps may be run now. INVALID_ARGUMENT, FAILED_PRECONDITION.
  Status Check(std::int64_t steps) const;
  void Advance(std::int64_t steps) { done_ += steps; }
  // Every sample has inputs, which begin with the next step.
  void Feed();
  // `samples` samples are at step 0 again and want inputs.
  void Reset(std::size_t samples) { fed_ = fed_ && samples == 0; }

  // Steps that all samples have run, or would have, had none been reset.
  std::int64_t done() const { return done_; }
  std::int64_t fed_at() const { return fed_at_; }

 private:
  const std::int64_t steps_;  // that there are in all
  const bool in_one_;
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  bool fed_;                 // every sample has inputs
};

}  // namespace spikeserve::engine
