#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "kernels/math/filter.h"

// What every synapse is at one dt, with a delay before it. A filter shows at each step what it held before
// the step.
namespace spikeserve::kernels {

// Shows its input at once.
struct PassFilter {};
using math::AlphaFilter;
using math::LowpassFilter;
using math::StateFilter;
// y = sum of weights[i] u[n-i].
struct FiniteFilter {
  std::vector<float> weights;
};
using math::kMaxFilterOrder;

struct FilterConstants {
  std::variant<PassFilter, LowpassFilter, AlphaFilter, FiniteFilter, StateFilter> kind;
  std::int64_t delay = 0;  // steps by which the input arrives later
};

// Bytes of a bank's state per element.
std::int64_t FilterBytes(const FilterConstants& constants);

}  // namespace spikeserve::kernels
