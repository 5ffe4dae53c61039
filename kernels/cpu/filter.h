#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

// Filters with a delay, for a whole layer. A filter shows at each step what it held before the step.
namespace spikeserve::kernels {

// Shows its input at once.
struct PassFilter {};
// y = a y + gain u.
struct LowpassFilter {
  float decay = 0;
  float gain = 1;
};
// 1/(tau s + 1)^2 under zero-order hold: y = a y + state_weight s + input_weight u with the old s; then
// s = a s + gain u. In double: over hundreds of steps float32 would lose a millionth.
struct AlphaFilter {
  double decay = 0;
  double gain = 1;
  double state_weight = 0;
  double input_weight = 1;
};
// y = sum of weights[i] u[n-i].
struct FiniteFilter {
  std::vector<float> weights;
};
constexpr int kMaxFilterOrder = 4;
// States in double: poles that lie close together near 1 would drown in float32's rounding. X = A X + B u;
// y = C X with the new X where d is 0, else y = C X + d u with the old one.
struct StateFilter {
  int order = 0;
  std::array<std::array<double, kMaxFilterOrder>, kMaxFilterOrder> a{};
  std::array<double, kMaxFilterOrder> b{}, c{};
  double d = 0;
};

struct FilterConstants {
  std::variant<PassFilter, LowpassFilter, AlphaFilter, FiniteFilter, StateFilter> kind;
  std::int64_t delay = 0;  // steps by which the input arrives later
};

// Bytes of a bank's state per element.
std::int64_t FilterBytes(const FilterConstants& constants);

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
