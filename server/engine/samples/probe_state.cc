#include "server/engine/samples/probe_state.h"

#include <cmath>
#include <cstddef>

#include "server/engine/network/index.h"

namespace spikeserve::engine {

ProbeState::ProbeState(const Options& options, std::int64_t size) : options_(options) {
  sum_.assign(Index(size), 0.0);
  last_.assign(Index(size), 0.0);
  filter_.assign(options.filtered ? Index(size) : 0, 0.0);
  trajectory_.reserve(options.trajectory ? Index(options.reserve_steps * size) : 0);
}

template <typename Real>
void ProbeState::Step(std::span<const Real> values) {
  ++steps_;
  const auto decay = static_cast<Real>(options_.decay);
  const auto gain = static_cast<Real>(1 - options_.decay);
  for (std::size_t j = 0; j < values.size(); ++j) {
    Real value = values[j];
    if (options_.filtered) {  // the probe shows what was filtered up to the last step
      value = static_cast<Real>(filter_[j]);
      filter_[j] = std::fma(decay, value, gain * values[j]);
    }
    last_[j] = value;
    if (steps_ > options_.readout.skip_steps) {
      sum_[j] += value;
    }
    if (options_.trajectory) {
      trajectory_.push_back(value);
    }
  }
}

template void ProbeState::Step<float>(std::span<const float>);
template void ProbeState::Step<double>(std::span<const double>);

void ProbeState::Read(std::span<double> out) const {
  const std::int64_t counted = steps_ - options_.readout.skip_steps;
  for (std::size_t j = 0; j < out.size(); ++j) {
    if (options_.readout.kind == ReadoutKind::kLast) {
      out[j] = last_[j];
    } else {
      out[j] = counted > 0 ? sum_[j] / static_cast<double>(counted) : 0.0;
    }
  }
}

}  // namespace spikeserve::engine
