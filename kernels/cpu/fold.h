#pragma once

#include <cstdint>
#include <span>
#include <vector>

// The readout rewrite: filters and means are linear, so they are taken of the source layer's spikes, one
// value per source element, and the weights are applied once per answer instead of once per step.
namespace spikeserve::kernels {

// The filters between a source and an answer; a filter that is absent passes its input on at once.
struct FoldFilters {
  bool synapse = false;        // of the connection: g(t) = (1-a) f(t-1), f(t) = a f(t-1) + u(t)
  float synapse_decay = 0;     // a
  float synapse_gain = 1;      // 1-a
  bool probe_synapse = false;  // of the probe: h(t) = (1-b) p(t-1), p(t) = b p(t-1) + g(t)
  float probe_decay = 0;       // b
  float probe_gain = 1;        // 1-b
};

// Running state of the rewrite for one source of one sample. With N(t) the sum of u up to t, the sum of g
// is N - f and the sum of h is N - f - p (each filter leaves out what it still holds), so no filtered sum
// has to be kept. One thread at a time.
class Fold {
 public:
  Fold() = default;
  Fold(const FoldFilters& filters, std::int64_t size);

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
  // Means start after this step.
  void MarkStart();
  // Mean of h over the `steps` since MarkStart.
  void Mean(std::int64_t steps, std::span<float> mean) const;
  // h of the last step.
  void Last(std::span<float> last) const;

 private:
  template <typename Value>
  void StepEach(Value value);
  double Sum(std::size_t j) const;

  FoldFilters filters_;
  std::vector<double> total_;    // N
  std::vector<double> start_;    // sum of h at MarkStart
  std::vector<float> filtered_;  // f
  std::vector<float> probed_;    // p
  std::vector<float> last_;      // h
};

}  // namespace spikeserve::kernels
