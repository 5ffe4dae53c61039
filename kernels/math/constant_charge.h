#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"

// An integrator whose charge never changes, in closed form where that gives the bits of the steps
// v += c; n = floor(v); v -= n in float32. Those round in general. Where v and c are multiples of a quantum
// 2^-k in which every v + c has at most 24 bits, none of them does, and floor(v + t c) spikes have been
// emitted after t steps.
namespace spikeserve::math {

struct ConstantCharge {
  bool exact = false;  // false: only the steps themselves give their bits
  float voltage = 0, charge = 0;
  std::int32_t shift = 0;              // k
  std::int64_t start = 0, quanta = 0;  // voltage and charge in quanta
};

// For v in [0, 1) and c in [0, 2^22]; anything else is not exact.
SPIKESERVE_HOST_DEVICE ConstantCharge MakeConstantCharge(float v, float c) {
  constexpr float kMost = 4194304.0F;
  ConstantCharge constant;
  constant.voltage = v;
  constant.charge = c;
  if (!(v >= 0.0F && v < 1.0F && c >= 0.0F && c <= kMost)) {
    return constant;
  }
  if (c == 0.0F) {  // v stays what it is, whatever its bits
    constant.exact = true;
    return constant;
  }
  std::int32_t shift = 23;
  float quanta_per_unit = 8388608.0F;  // 2^shift: sums stay below 2
  while (1.0F + c > 16777216.0F / quanta_per_unit) {
    quanta_per_unit *= 0.5F;
    --shift;
  }
  const float start = v * quanta_per_unit;
  const float quanta = c * quanta_per_unit;
  constant.exact = start == floorf(start) && quanta == floorf(quanta);
  constant.shift = shift;
  constant.start = static_cast<std::int64_t>(start);
  constant.quanta = static_cast<std::int64_t>(quanta);
  return constant;
}

// Spikes of the first `steps` steps, of an exact one; fewer than 2^24 per step.
SPIKESERVE_HOST_DEVICE std::int64_t SpikesAfter(const ConstantCharge& constant, std::int64_t steps) {
  return (constant.start + steps * constant.quanta) >> constant.shift;
}

// The voltage after `steps` >= 1 steps.
SPIKESERVE_HOST_DEVICE float VoltageAfter(const ConstantCharge& constant, std::int64_t steps) {
  if (constant.quanta == 0) {
    return constant.voltage + constant.charge;  // of two zeros, the sum's sign
  }
  const std::int64_t unit = std::int64_t{1} << constant.shift;
  const std::int64_t left = (constant.start + steps * constant.quanta) & (unit - 1);
  return static_cast<float>(left) / static_cast<float>(unit);
}

// The most that one of the first `steps` steps emits.
SPIKESERVE_HOST_DEVICE std::int64_t MostPerStep(const ConstantCharge& constant, std::int64_t steps) {
  const std::int64_t least = constant.quanta >> constant.shift;
  return SpikesAfter(constant, steps) > steps * least ? least + 1 : least;
}

}  // namespace spikeserve::math
