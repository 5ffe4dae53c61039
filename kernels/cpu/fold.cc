#include "kernels/cpu/fold.h"

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/dispatch.h"

namespace spikeserve::kernels {
namespace {

SPIKESERVE_CPU_CLONES void MeanOf(const double* total, const double* start, double steps, float* mean,
                                  std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    mean[j] = static_cast<float>((total[j] - start[j]) / steps);
  }
}

SPIKESERVE_CPU_CLONES void AddIntegers(const std::int64_t* sums, double* total, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    total[j] += static_cast<double>(sums[j]);
  }
}

// `steps` steps of u = 1 through both filters of one element, as Fold::StepEach takes them. Returns the last
// h.
SPIKESERVE_CPU_CLONES float FilterOnes(const FoldFilters& filters, std::int64_t steps, float* filtered,
                                       float* probed) {
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

}  // namespace

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

template <typename Value>
void Fold::StepEach(Value value) {
  float unused = 0;
  for (std::size_t j = 0; j < total_.size(); ++j) {
    const auto u = value(j);
    total_[j] += static_cast<double>(u);
    float& f = filters_.synapse ? filtered_[j] : unused;
    float& p = filters_.probe_synapse ? probed_[j] : unused;
    last_[j] = math::FilterFold(filters_, static_cast<float>(u), f, p);
  }
}

void Fold::Step(std::span<const std::int32_t> counts) {
  StepEach([counts](std::size_t j) { return counts[j]; });
}

void Fold::Step(std::span<const float> values) {
  StepEach([values](std::size_t j) { return values[j]; });
}

void Fold::StepOnes(std::int64_t steps) {
  if (steps == 0) {
    return;
  }
  for (std::size_t j = 0; j < total_.size(); ++j) {
    total_[j] += static_cast<double>(steps);
    float* filtered = filters_.synapse ? &filtered_[j] : nullptr;
    float* probed = filters_.probe_synapse ? &probed_[j] : nullptr;
    last_[j] = FilterOnes(filters_, steps, filtered, probed);
  }
}

void Fold::AddTotals(std::span<const std::int64_t> sums) {
  AddIntegers(sums.data(), total_.data(), total_.size());
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
    MeanOf(total_.data(), start_.data(), static_cast<double>(steps), mean.data(), mean.size());
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
