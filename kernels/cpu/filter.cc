#include "kernels/cpu/filter.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/filter.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

void RunLowpass(std::size_t n, const LowpassFilter& filter, float* __restrict shown,
                float* __restrict values) {
  for (std::size_t j = 0; j < n; ++j) {
    values[j] = math::StepLowpass(filter, values[j], shown[j]);
  }
}

void RunAlpha(std::size_t n, const AlphaFilter& filter, double* __restrict inner, double* __restrict outer,
              float* __restrict values) {
  for (std::size_t j = 0; j < n; ++j) {
    values[j] = math::StepAlpha(filter, values[j], inner[j], outer[j]);
  }
}

// The oldest input makes room: its part comes first, then the new input takes its place.
void ReplaceOldest(std::size_t n, float weight, float* __restrict oldest, float* __restrict values) {
  for (std::size_t j = 0; j < n; ++j) {
    const float in = values[j];
    values[j] = math::BeginFinite(weight, oldest[j]);
    oldest[j] = in;
  }
}

void AddWeighted(std::size_t n, float weight, const float* __restrict inputs, float* __restrict sums) {
  for (std::size_t j = 0; j < n; ++j) {
    sums[j] = math::AddFinite(weight, inputs[j], sums[j]);
  }
}

template <int kOrder>
HWY_INLINE void RunOrder(std::size_t n, const StateFilter& filter, double* states, float* __restrict shown,
                         float* __restrict values) {
  for (std::size_t j = 0; j < n; ++j) {
    double old[kMaxFilterOrder] = {};
    double next[kMaxFilterOrder] = {};
    for (std::size_t i = 0; i < kOrder; ++i) {
      old[i] = states[i * n + j];
    }
    values[j] = math::StepStates<kOrder>(filter, values[j], old, next, shown[j]);
    for (std::size_t i = 0; i < kOrder; ++i) {
      states[i * n + j] = next[i];
    }
  }
}

void RunStates(std::size_t n, const StateFilter& filter, double* states, float* __restrict shown,
               float* __restrict values) {
  switch (filter.order) {
    case 0: return RunOrder<0>(n, filter, states, shown, values);
    case 1: return RunOrder<1>(n, filter, states, shown, values);
    case 2: return RunOrder<2>(n, filter, states, shown, values);
    case 3: return RunOrder<3>(n, filter, states, shown, values);
    default: return RunOrder<kMaxFilterOrder>(n, filter, states, shown, values);
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(RunLowpass);
HWY_EXPORT(RunAlpha);
HWY_EXPORT(ReplaceOldest);
HWY_EXPORT(AddWeighted);
HWY_EXPORT(RunStates);

FilterBank::FilterBank(std::shared_ptr<const FilterConstants> shared, std::int64_t size)
    : constants_(std::move(shared)) {
  const FilterConstants& constants = *constants_;
  const auto n = static_cast<std::size_t>(size);
  delayed_.assign(n * static_cast<std::size_t>(constants.delay), 0.0F);
  if (const auto* finite = std::get_if<FiniteFilter>(&constants.kind)) {
    inputs_.assign(n * finite->weights.size(), 0.0F);
    return;
  }
  if (std::holds_alternative<AlphaFilter>(constants.kind)) {
    states_.assign(2 * n, 0.0);
    return;
  }
  shown_.assign(std::holds_alternative<PassFilter>(constants.kind) ? 0 : n, 0.0F);
  if (const auto* states = std::get_if<StateFilter>(&constants.kind)) {
    states_.assign(n * static_cast<std::size_t>(states->order), 0.0);
  }
}

void FilterBank::Step(std::span<float> values) {
  if (constants_->delay > 0) {
    Delay(values);
  }
  std::visit([&](const auto& kind) { Run(kind, values); }, constants_->kind);
}

void FilterBank::Delay(std::span<float> values) {
  const auto row = delayed_.begin() + static_cast<std::ptrdiff_t>(delay_row_ * values.size());
  std::swap_ranges(values.begin(), values.end(), row);
  delay_row_ = (delay_row_ + 1) % static_cast<std::size_t>(constants_->delay);
}

void FilterBank::Run(const LowpassFilter& filter, std::span<float> values) {
  HWY_DYNAMIC_DISPATCH(RunLowpass)(values.size(), filter, shown_.data(), values.data());
}

void FilterBank::Run(const AlphaFilter& filter, std::span<float> values) {
  HWY_DYNAMIC_DISPATCH(RunAlpha)
  (values.size(), filter, states_.data(), states_.data() + values.size(), values.data());
}

// The newest input lies in the row before input_row_, and the oldest, which this step's replaces, in it.
void FilterBank::Run(const FiniteFilter& filter, std::span<float> values) {
  const std::size_t n = values.size();
  const std::size_t taps = filter.weights.size();
  std::vector<float>& ring = inputs_;
  const std::size_t oldest = input_row_;
  HWY_DYNAMIC_DISPATCH(ReplaceOldest)(n, filter.weights[taps - 1], ring.data() + oldest * n, values.data());
  for (std::size_t i = 0; i + 1 < taps; ++i) {
    const float* const inputs = ring.data() + (oldest + taps - 1 - i) % taps * n;
    HWY_DYNAMIC_DISPATCH(AddWeighted)(n, filter.weights[i], inputs, values.data());
  }
  input_row_ = (oldest + 1) % taps;
}

void FilterBank::Run(const StateFilter& filter, std::span<float> values) {
  HWY_DYNAMIC_DISPATCH(RunStates)
  (values.size(), filter, states_.data(), shown_.data(), values.data());
}

}  // namespace spikeserve::kernels
#endif
