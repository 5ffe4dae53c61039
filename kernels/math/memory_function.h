#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/elementary64.h"
#include "kernels/math/memory.h"

// Neurons with memory that send a function of the mean of what they have received (expectation compensation,
// arXiv 2502.21193): N_t = floor(f(x) * t * rate + start), x the mean by step t. In float64, every operation
// rounded by itself, in the order written here.
namespace spikeserve::math {

enum class MeanFunction : std::uint8_t {
  kNone,  // another rule
  kSigmoid,
  kTanh,
  kSwish,
  kGelu,
  kGeluTanh,
  kElu,  // alpha below 0
  kSelu,
  kSoftplus,
  kMish,
  kHardSigmoid,
  kHardSwish,
  kExponential,
  kSoftsign,
  // Of a row: memory_row.h.
  kNormalise,  // alpha is added to the variance
  kSoftmax,
};

// Whether f takes a row of neurons, not one.
SPIKESERVE_HOST_DEVICE bool IsOfRow(MeanFunction function) {
  return function == MeanFunction::kNormalise || function == MeanFunction::kSoftmax;
}

SPIKESERVE_HOST_DEVICE double Sigmoid64(double x) {
  const double e = Exp64(x < 0 ? x : -x);
  return (x < 0 ? e : 1.0) / (1.0 + e);
}

SPIKESERVE_HOST_DEVICE double Tanh64(double x) {
  const double a = x < 0 ? -x : x;
  double y;
  if (a < 0.1) {
    const double s = a * a;
    y = a * (1.0 + s * (-1.0 / 3.0 + s * (2.0 / 15.0 + s * (-17.0 / 315.0 +
                                                            s * (62.0 / 2835.0 - s * (1382.0 / 155925.0))))));
  } else {
    const double e = Exp64(-2.0 * a);
    y = (1.0 - e) / (1.0 + e);
  }
  return x < 0 ? -y : y;
}

SPIKESERVE_HOST_DEVICE double Clip64(double x, double low, double high) {
  return x < low ? low : (x > high ? high : x);
}

// f(x) of one neuron; `alpha` of kElu alone.
SPIKESERVE_HOST_DEVICE double OfMean(MeanFunction function, double x, double alpha) {
  switch (function) {
    case MeanFunction::kSigmoid: return Sigmoid64(x);
    case MeanFunction::kTanh: return Tanh64(x);
    case MeanFunction::kSwish: return x * Sigmoid64(x);
    case MeanFunction::kGelu: {
      const double tail = 0.5 * Erfc64((x < 0 ? -x : x) * 0.70710678118654752440);
      return x * (x < 0 ? tail : 1.0 - tail);
    }
    case MeanFunction::kGeluTanh:
      return 0.5 * x * (1.0 + Tanh64(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case MeanFunction::kElu: return x < 0 ? alpha * (Exp64(x) - 1.0) : x;
    case MeanFunction::kSelu:
      return 1.05070098735548049342 * (x < 0 ? 1.67326324235437728481 * (Exp64(x) - 1.0) : x);
    case MeanFunction::kSoftplus: return (x > 0 ? x : 0.0) + Log1pOfUnit64(Exp64(x < 0 ? x : -x));
    case MeanFunction::kMish: {  // x tanh(log(1 + e^x)), from 40 on x
      const double e = Exp64(x < 40.0 ? x : 40.0);
      const double square = e * (e + 2.0);
      return x * (square / (square + 2.0));
    }
    case MeanFunction::kHardSigmoid: return Clip64(x / 6.0 + 0.5, 0.0, 1.0);
    case MeanFunction::kHardSwish: return x * Clip64(x / 6.0 + 0.5, 0.0, 1.0);
    case MeanFunction::kExponential: return Exp64(x);
    case MeanFunction::kSoftsign: return x / (1.0 + (x < 0 ? -x : x));
    case MeanFunction::kNormalise:
    case MeanFunction::kSoftmax:
    case MeanFunction::kNone: break;
  }
  return 0.0;
}

// Whether f(x) may be below 0.
SPIKESERVE_HOST_DEVICE bool MayBeNegative(MeanFunction function) {
  return function != MeanFunction::kNone && function != MeanFunction::kSigmoid &&
         function != MeanFunction::kSoftplus && function != MeanFunction::kHardSigmoid &&
         function != MeanFunction::kExponential && function != MeanFunction::kSoftmax;
}

// What a value that has been sent comes to in whole spikes; beyond kMostSent where there are more, or where
// it is not a number.
SPIKESERVE_HOST_DEVICE std::int64_t WholeSpikes(double value) {
  constexpr double kMost = static_cast<double>(kMostSent);
  const double whole = floor(value);
  return whole <= kMost && whole >= -kMost ? static_cast<std::int64_t>(whole) : kMostSent + 1;
}

// N after `steps` steps of a unit whose sources have sent so many, for `rate` spikes a step where both send
// one a step. Up to kMostSent each.
SPIKESERVE_HOST_DEVICE std::int64_t SentProduct(std::int64_t first, std::int64_t second, double rate,
                                                std::int64_t steps) {
  return WholeSpikes(static_cast<double>(first * second) * rate / static_cast<double>(steps) + 0.5);
}

// N after `steps` steps of a neuron that has received z units of charge; `unit` of them in a step are an x of
// 1. `rate` spikes a step for an f of 1.
SPIKESERVE_HOST_DEVICE std::int64_t SentOfMean(MeanFunction function, double alpha, std::int64_t z,
                                               std::int64_t steps, double unit, double rate, double start) {
  const double t = static_cast<double>(steps);
  const double x = static_cast<double>(z) / (t * unit);
  return WholeSpikes(OfMean(function, x, alpha) * (t * rate) + start);
}

}  // namespace spikeserve::math
