#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/math/filter_constants.h"

// Filters with a delay, for a whole layer.
namespace spikeserve::kernels {

// The filters of one layer of one sample. One thread at a time.
class FilterBank {
 public:
  FilterBank() = default;
  FilterBank(std::shared_ptr<const FilterConstants> constants, std::int64_t size);

  // Takes in the values of a step and replaces them by what the filters show.
  void Step(std::span<float> values);

 private:
  void Delay(std::span<float> values);
  void Run(const PassFilter&, std::span<float>) {}
  void Run(const LowpassFilter& filter, std::span<float> values);
  void Run(const AlphaFilter& filter, std::span<float> values);
  void Run(const FiniteFilter& filter, std::span<float> values);
  void Run(const StateFilter& filter, std::span<float> values);

  std::shared_ptr<const FilterConstants> constants_;
  std::vector<float> delayed_;  // [delay][size], a ring
  std::vector<float> shown_;    // [size]: y
  std::vector<float> inputs_;   // FiniteFilter: [taps][size], a ring
  std::vector<double> states_;  // StateFilter: [order][size]; AlphaFilter: s, then y
  std::size_t delay_row_ = 0, input_row_ = 0;
};

}  // namespace spikeserve::kernels
