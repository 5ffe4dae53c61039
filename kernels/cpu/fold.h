#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/math/fold.h"

// The readout rewrite: filters and means are linear, so they are taken of the source layer's spikes, one
// value per source element, and the weights are applied once per answer instead of once per step.
namespace spikeserve::kernels {

using math::FoldFilters;

// Running state of the rewrite for one source of one sample, by the recurrence of kernels/math/fold.h. One
// thread at a time.
class Fold {
 public:
  Fold() = default;
  Fold(const FoldFilters& filters, std::int64_t size);
  // What its state takes.
  static std::int64_t Bytes(const FoldFilters& filters, std::int64_t size);

  // Back to before the first step.
  void Restart();
  // One step of u.
  void Step(std::span<const std::int32_t> counts);
  void Step(std::span<const float> values);
  // `steps` steps of u = 1 everywhere.
  void StepOnes(std::int64_t steps);
  // What a kernel that steps the filters itself works on; it hands in the sums of u with AddTotals.
  struct Filters {
    FoldFilters filters;
    float* filtered = nullptr;  // f, where filters.synapse
    float* probed = nullptr;    // p, where filters.probe_synapse
    float* last = nullptr;      // h of the last step
  };
  Filters State() { return {filters_, filtered_.data(), probed_.data(), last_.data()}; }
  void AddTotals(std::span<const std::int64_t> sums);
  // Without filters: all sums of u so far, and those of before the last step, without which the last step is
  // of no use.
  void SetTotals(std::span<const std::int32_t> sums, std::span<const std::int32_t> before);
  void SetTotals(std::span<const std::uint8_t> sums);
  // Means start after this step.
  void MarkStart();
  // Mean of h over the `steps` since MarkStart.
  void Mean(std::int64_t steps, std::span<float> mean) const;
  // h of the last step.
  void Last(std::span<float> last) const;

 private:
  double Sum(std::size_t j) const;

  FoldFilters filters_;
  std::vector<double> total_;    // N
  std::vector<double> start_;    // sum of h at MarkStart
  std::vector<float> filtered_;  // f
  std::vector<float> probed_;    // p
  std::vector<float> last_;      // h
};

}  // namespace spikeserve::kernels
