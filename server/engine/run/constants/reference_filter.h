#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "kernels/math/filter_constants.h"
#include "server/engine/network/network_definition.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {

// The synapse and delay of one connection or probe of one sample, in float64, straight from the recurrences
// of docs/semantics.md. One thread at a time.
class ReferenceFilter {
 public:
  ReferenceFilter(const Synapse& synapse, std::int64_t delay_steps, double dt_s, std::int64_t size);

  // Takes in the values of a step and replaces them by what the filter shows: what it held before the step;
  // without a synapse, the values themselves.
  void Step(std::span<double> values);

 private:
  using Row = std::vector<double>;  // [size]

  // What the filter holds after a step with input u, of element j.
  double Next(const Lowpass&, double u, std::size_t j);
  double Next(const Alpha&, double u, std::size_t j);
  double Next(const LinearFilter&, double u, std::size_t j);
  double Next(const Triangle&, double u, std::size_t j);

  Synapse synapse_;
  double decay_ = 0;             // of a Lowpass
  AlphaWeights alpha_;           // of an Alpha
  kernels::StateFilter system_;  // of a LinearFilter
  Row weights_;                  // of a Triangle, newest input first
  Row shown_;                    // what the filter holds
  std::vector<Row> states_;      // Alpha: the inner low-pass; LinearFilter: its states
  std::deque<Row> inputs_;       // of a Triangle, newest first
  std::deque<Row> delayed_;      // newest first
};

}  // namespace spikeserve::engine
