#include "server/engine/cuda/ages.h"

#include <algorithm>

namespace spikeserve::engine {

CudaAges::CudaAges(const CudaRun& run, std::size_t samples)
    : readout_(run.spec->settings.readout), age_(samples, 0) {
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    const ProbePlan& probe = run.probe(p);
    const bool filtered = run.folded[p] && probe.synapse.has_value();
    const double decay = filtered ? DecayOf(*probe.synapse, run.spec->settings.dt_s) : 0.0;
    filters_.push_back({.probe_synapse = filtered,
                        .probe_decay = static_cast<float>(decay),
                        .probe_gain = static_cast<float>(1 - decay)});
  }
  ages_.push_back(Newborn());
}

CudaAges::Age CudaAges::Newborn() const {
  Age age;
  age.bias.resize(filters_.size());
  return age;
}

void CudaAges::Step(std::int64_t steps) {
  for (Age& age : ages_) {
    Step(age, steps);
  }
}

void CudaAges::Step(Age& age, std::int64_t steps) const {
  while (steps > 0) {
    const std::int64_t skipped = readout_.skip_steps - age.steps;
    const std::int64_t now = skipped > 0 ? std::min(steps, skipped) : steps;
    age.steps += now;
    steps -= now;
    for (std::size_t p = 0; p < age.bias.size(); ++p) {
      BiasFold& bias = age.bias[p];
      bias.total += static_cast<double>(now);
      for (std::int64_t step = 0; step < now; ++step) {
        bias.last = math::FilterFold(filters_[p], 1.0F, bias.filtered, bias.probed);
      }
      if (age.steps == readout_.skip_steps) {
        bias.start = math::FoldSum(filters_[p], bias.total, bias.filtered, bias.probed);
      }
    }
  }
}

void CudaAges::Restart(std::span<const std::int64_t> samples) {
  ages_.push_back(Newborn());
  for (const std::int64_t sample : samples) {
    age_[Index(sample)] = ages_.size() - 1;
  }
  DropUnused();
}

void CudaAges::DropUnused() {
  std::vector<Age> kept;
  std::vector<std::size_t> place(ages_.size(), ages_.size());
  for (std::size_t& age : age_) {
    if (place[age] == ages_.size()) {
      place[age] = kept.size();
      kept.push_back(std::move(ages_[age]));
    }
    age = place[age];
  }
  ages_ = std::move(kept);
}

std::int64_t CudaAges::Counted(std::int64_t steps) const {
  const bool mean = readout_.kind != ReadoutKind::kLast;
  if (steps == 0 || (mean && steps <= readout_.skip_steps)) {
    return -1;
  }
  return mean ? steps - readout_.skip_steps : 0;
}

CudaReadRange CudaAges::RangeOf(const Age& age, std::int64_t first, std::int64_t count) const {
  CudaReadRange range{first, count, std::max<std::int64_t>(0, Counted(age.steps)), {}};
  const std::int64_t counted = Counted(age.steps);
  for (std::size_t p = 0; p < age.bias.size(); ++p) {
    const BiasFold& bias = age.bias[p];
    const double sum = math::FoldSum(filters_[p], bias.total, bias.filtered, bias.probed) - bias.start;
    const auto mean = counted > 0 ? static_cast<float>(sum / static_cast<double>(counted)) : 0.0F;
    range.bias_factors.push_back(counted == 0 ? bias.last : mean);
  }
  return range;
}

std::vector<CudaReadRange> CudaAges::Ranges(std::int64_t padded) const {
  std::vector<CudaReadRange> ranges;
  const auto samples = static_cast<std::int64_t>(age_.size());
  for (std::int64_t first = 0; first < samples;) {
    std::int64_t end = first + 1;
    while (end < samples && age_[Index(end)] == age_[Index(first)]) {
      ++end;
    }
    end = end == samples ? padded : end;
    ranges.push_back(RangeOf(ages_[age_[Index(first)]], first, end - first));
    first = end;
  }
  return ranges;
}

}  // namespace spikeserve::engine
