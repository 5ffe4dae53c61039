#include "kernels/cpu/fold.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/fold.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

void MeanOf(const double* total, const double* start, double steps, float* mean, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    mean[j] = static_cast<float>((total[j] - start[j]) / steps);
  }
}

void AddIntegers(const std::int64_t* sums, double* total, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    total[j] += static_cast<double>(sums[j]);
  }
}

// One step of u. The state must not lie where the values do.
template <typename Value>
HWY_INLINE void StepEach(const Fold::Filters& state, const Value* __restrict values, double* __restrict total,
                         std::size_t size) {
  const FoldFilters filters = state.filters;
  float* __restrict filtered = state.filtered;
  float* __restrict probed = state.probed;
  float* __restrict last = state.last;
  float unused = 0;
  for (std::size_t j = 0; j < size; ++j) {
    const Value u = values[j];
    total[j] += static_cast<double>(u);
    float& f = filters.synapse ? filtered[j] : unused;
    float& p = filters.probe_synapse ? probed[j] : unused;
    last[j] = math::FilterFold(filters, static_cast<float>(u), f, p);
  }
}

void SetBytes(const std::uint8_t* __restrict sums, double* __restrict total, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    total[j] = sums[j];
  }
}

void SetEach(const std::int32_t* __restrict sums, double* __restrict total, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    total[j] = sums[j];
  }
}

void StepCounts(const Fold::Filters& state, const std::int32_t* counts, double* total, std::size_t size) {
  StepEach(state, counts, total, size);
}

void StepValues(const Fold::Filters& state, const float* values, double* total, std::size_t size) {
  StepEach(state, values, total, size);
}

// `steps` steps of u = 1 through both filters of one element, as StepEach takes them. Returns the last h.
float FilterOnes(const FoldFilters& filters, std::int64_t steps, float* filtered, float* probed) {
  float f = filters.synapse ? *filtered : 0.0F;
  float p = filters.probe_synapse ? *probed : 0.0F;
  float h = 1.0F;
  for (std::int64_t step = 0; step < steps; ++step) {
    h = math::FilterFold(filters, 1.0F, f, p);
  }
  if (filters.synapse) {
    *filtered = f;
  }
  if (filters.probe_synapse) {
    *probed = p;
  }
  return h;
}

void StepOnesEach(const Fold::Filters& state, std::int64_t steps, double* total, std::size_t size) {
  const FoldFilters& filters = state.filters;
  for (std::size_t j = 0; j < size; ++j) {
    total[j] += static_cast<double>(steps);
    float* filtered = filters.synapse ? &state.filtered[j] : nullptr;
    float* probed = filters.probe_synapse ? &state.probed[j] : nullptr;
    state.last[j] = FilterOnes(filters, steps, filtered, probed);
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(MeanOf);
HWY_EXPORT(AddIntegers);
HWY_EXPORT(SetBytes);
HWY_EXPORT(SetEach);
HWY_EXPORT(StepCounts);
HWY_EXPORT(StepValues);
HWY_EXPORT(StepOnesEach);

Fold::Fold(const FoldFilters& filters, std::int64_t size) : filters_(filters) {
  const auto n = static_cast<std::size_t>(size);
  total_.assign(n, 0.0);
  start_.assign(n, 0.0);
  last_.assign(n, 0.0F);
  filtered_.assign(filters.synapse ? n : 0, 0.0F);
  probed_.assign(filters.probe_synapse ? n : 0, 0.0F);
}

std::int64_t Fold::Bytes(const FoldFilters& filters, std::int64_t size) {
  const std::int64_t floats = 1 + (filters.synapse ? 1 : 0) + (filters.probe_synapse ? 1 : 0);
  return size * (2 * 8 + 4 * floats);
}

void Fold::Restart() {
  for (std::vector<double>* sums : {&total_, &start_}) {
    std::fill(sums->begin(), sums->end(), 0.0);
  }
  for (std::vector<float>* values : {&last_, &filtered_, &probed_}) {
    std::fill(values->begin(), values->end(), 0.0F);
  }
}

void Fold::Step(std::span<const std::int32_t> counts) {
  HWY_DYNAMIC_DISPATCH(StepCounts)(State(), counts.data(), total_.data(), total_.size());
}

void Fold::Step(std::span<const float> values) {
  HWY_DYNAMIC_DISPATCH(StepValues)(State(), values.data(), total_.data(), total_.size());
}

void Fold::StepOnes(std::int64_t steps) {
  if (steps > 0) {
    HWY_DYNAMIC_DISPATCH(StepOnesEach)(State(), steps, total_.data(), total_.size());
  }
}

void Fold::AddTotals(std::span<const std::int64_t> sums) {
  HWY_DYNAMIC_DISPATCH(AddIntegers)(sums.data(), total_.data(), total_.size());
}

void Fold::SetTotals(std::span<const std::int32_t> sums, std::span<const std::int32_t> before) {
  HWY_DYNAMIC_DISPATCH(SetEach)(sums.data(), total_.data(), total_.size());
  for (std::size_t j = 0; j < before.size(); ++j) {
    last_[j] = static_cast<float>(sums[j] - before[j]);
  }
}

void Fold::SetTotals(std::span<const std::uint8_t> sums) {
  HWY_DYNAMIC_DISPATCH(SetBytes)(sums.data(), total_.data(), total_.size());
}

double Fold::Sum(std::size_t j) const {
  return math::FoldSum(filters_, total_[j], filters_.synapse ? filtered_[j] : 0.0F,
                       filters_.probe_synapse ? probed_[j] : 0.0F);
}

void Fold::MarkStart() {
  for (std::size_t j = 0; j < start_.size(); ++j) {
    start_[j] = Sum(j);
  }
}

void Fold::Mean(std::int64_t steps, std::span<float> mean) const {
  if (!filters_.synapse && !filters_.probe_synapse) {
    HWY_DYNAMIC_DISPATCH(MeanOf)
    (total_.data(), start_.data(), static_cast<double>(steps), mean.data(), mean.size());
    return;
  }
  for (std::size_t j = 0; j < mean.size(); ++j) {
    mean[j] = static_cast<float>((Sum(j) - start_[j]) / static_cast<double>(steps));
  }
}

void Fold::Last(std::span<float> last) const {
  for (std::size_t j = 0; j < last.size(); ++j) {
    last[j] = last_[j];
  }
}

}  // namespace spikeserve::kernels
#endif
