#include "server/engine/run/probe_recorder.h"

#include <algorithm>
#include <cmath>

#include "server/engine/network/index.h"

namespace spikeserve::engine {

std::int64_t Recording::Kept(std::int64_t done, std::int64_t until) const {
  const auto up_to = [this](std::int64_t step) {
    const std::int64_t end = std::min(step, last_step);
    return end < first_step ? 0 : (end - first_step) / every + 1;
  };
  return up_to(until) - up_to(done);
}

ProbeRecorder::ProbeRecorder(const Recording& recording, const Filter& filter, std::int64_t size)
    : recording_(recording), filter_(filter) {
  state_.assign(filter.on ? Index(size) : 0, 0.0);
  values_.assign(recording.reduction == Reduction::kNone ? 0 : Index(size), 0.0);
}

template <typename Real>
void ProbeRecorder::Step(std::span<const Real> values) {
  const bool keeps = recording_.Keeps(++step_);
  const auto decay = static_cast<Real>(filter_.decay);
  const auto gain = static_cast<Real>(1 - filter_.decay);
  for (std::size_t j = 0; j < values.size(); ++j) {
    Real value = values[j];
    if (filter_.on) {
      value = static_cast<Real>(state_[j]);
      state_[j] = std::fma(decay, value, gain * values[j]);
    }
    if (keeps) {
      Keep(j, value);
    }
  }
  kept_ += keeps ? 1 : 0;
}

template void ProbeRecorder::Step<float>(std::span<const float>);
template void ProbeRecorder::Step<double>(std::span<const double>);

void ProbeRecorder::Keep(std::size_t j, double value) {
  switch (recording_.reduction) {
    case Reduction::kMean:
    case Reduction::kSum: values_[j] += value; return;
    case Reduction::kLast: values_[j] = value; return;
    case Reduction::kMax: values_[j] = kept_ == 0 ? value : std::max(values_[j], value); return;
    case Reduction::kNone:
    case Reduction::kUnspecified: values_.push_back(value); return;
  }
}

std::vector<double> ProbeRecorder::Rows() const {
  std::vector<double> rows = values_;
  if (recording_.reduction == Reduction::kMean && kept_ > 0) {
    for (double& value : rows) {
      value /= static_cast<double>(kept_);
    }
  }
  return rows;
}

void ProbeRecorder::Forget() {
  step_ = 0;
  kept_ = 0;
  if (recording_.reduction == Reduction::kNone) {
    values_.clear();
  } else {
    std::fill(values_.begin(), values_.end(), 0.0);
  }
}

}  // namespace spikeserve::engine
