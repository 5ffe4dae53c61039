#include "server/engine/network/synapse_filter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

constexpr std::size_t kAugmented = kernels::kMaxFilterOrder + 1;
using Matrix = std::array<std::array<double, kAugmented>, kAugmented>;

Matrix Multiply(const Matrix& x, const Matrix& y) {
  Matrix product{};
  for (std::size_t i = 0; i < kAugmented; ++i) {
    for (std::size_t k = 0; k < kAugmented; ++k) {
      for (std::size_t j = 0; j < kAugmented; ++j) {
        product[i][j] += x[i][k] * y[k][j];
      }
    }
  }
  return product;
}

double Norm(const Matrix& matrix) {
  double norm = 0;
  for (const auto& row : matrix) {
    double sum = 0;
    for (const double value : row) {
      sum += std::abs(value);
    }
    norm = std::max(norm, sum);
  }
  return norm;
}

// e^M by scaling and squaring: the Taylor series of M/2^k with a norm below 1/2, squared k times.
Matrix Exponential(Matrix matrix) {
  const double norm = Norm(matrix);
  const int squarings = norm > 0.5 ? static_cast<int>(std::ceil(std::log2(norm))) + 1 : 0;
  for (auto& row : matrix) {
    for (double& value : row) {
      value = std::ldexp(value, -squarings);
    }
  }
  Matrix sum{};
  for (std::size_t i = 0; i < kAugmented; ++i) {
    sum[i][i] = 1;
  }
  Matrix term = sum;
  for (int k = 1; k <= 18; ++k) {
    term = Multiply(term, matrix);
    for (std::size_t i = 0; i < kAugmented; ++i) {
      for (std::size_t j = 0; j < kAugmented; ++j) {
        term[i][j] /= k;
        sum[i][j] += term[i][j];
      }
    }
  }
  for (int k = 0; k < squarings; ++k) {
    sum = Multiply(sum, sum);
  }
  return sum;
}

// 1 - a - x a for a = e^-x; small x as the series of x^k (-1)^k (k-1)/k!, k >= 2, which does not cancel.
double AlphaInputWeight(double x) {
  if (x > 0.5) {
    return 1 - std::exp(-x) * (1 + x);
  }
  double power = -x;  // (-x)^k / k!
  double sum = 0;
  for (int k = 2; k <= 16; ++k) {
    power *= -x / k;
    sum += power * (k - 1);
  }
  return sum;
}

// The filter in controller-canonical form, in a unit of time in which no coefficient is above 1.
struct Canonical {
  kernels::StateFilter system;
  double per_unit = 1;  // the unit of an analog filter: 1/s
};

Canonical MakeCanonical(const LinearFilter& filter) {
  Canonical canonical;
  const std::size_t order = filter.den.size() - 1;
  std::vector<double> den(order + 1), num(order + 1);
  for (std::size_t k = 0; k <= order; ++k) {
    den[k] = filter.den[k] / filter.den[0];
    const std::size_t missing = order + 1 - std::min(order + 1, filter.num.size());
    num[k] = k < missing ? 0.0 : filter.num[k - missing] / filter.den[0];
  }
  double unit = filter.discrete ? 1.0 : 0.0;
  for (std::size_t k = 1; k <= order && !filter.discrete; ++k) {
    unit = std::max(unit, std::pow(std::abs(den[k]), 1.0 / static_cast<double>(k)));
  }
  canonical.per_unit = unit > 0 ? unit : 1.0;
  double scale = 1;
  kernels::StateFilter& system = canonical.system;
  system.order = static_cast<int>(order);
  system.d = num[0];
  for (std::size_t k = 1; k <= order; ++k) {
    scale /= canonical.per_unit;
    system.a[0][k - 1] = -den[k] * scale;
    system.c[k - 1] = (num[k] - den[k] * num[0]) * scale;
    if (k < order) {
      system.a[k][k - 1] = 1;
    }
  }
  system.b[0] = order > 0 ? 1 : 0;
  return canonical;
}

kernels::FilterConstants MakeKind(const Lowpass& lowpass, double dt_s) {
  const double decay = DecayOf(lowpass, dt_s);
  return {kernels::LowpassFilter{static_cast<float>(decay), static_cast<float>(1 - decay)}, 0};
}

kernels::FilterConstants MakeKind(const Alpha& alpha, double dt_s) {
  const AlphaWeights w = WeightsOf(alpha, dt_s);
  return {kernels::AlphaFilter{w.decay, w.gain, w.state_weight, w.input_weight}, 0};
}

kernels::FilterConstants MakeKind(const LinearFilter& filter, double dt_s) {
  return {Discretise(filter, dt_s), 0};
}

kernels::FilterConstants MakeKind(const Triangle& triangle, double dt_s) {
  const std::int64_t taps = TriangleTaps(triangle, dt_s);
  const double total = 0.5 * static_cast<double>(taps) * static_cast<double>(taps + 1);
  kernels::FiniteFilter filter;
  for (std::int64_t weight = taps; weight >= 1; --weight) {
    filter.weights.push_back(static_cast<float>(static_cast<double>(weight) / total));
  }
  return {std::move(filter), 0};
}

bool HasTooManyTaps(const Synapse& synapse, double dt_s) {
  const auto* triangle = synapse ? std::get_if<Triangle>(&*synapse) : nullptr;
  return triangle != nullptr && TriangleTaps(*triangle, dt_s) > kMaxTaps;
}

Status TooManyTaps(const Synapse& synapse, double dt_s, const std::string& where) {
  return InvalidArgument(where + ": triangle t is " + std::to_string(std::get<Triangle>(*synapse).t) +
                         " s, more than the " + std::to_string(kMaxTaps) + " steps of " +
                         std::to_string(dt_s) + " s that it may last");
}

}  // namespace

double DecayOf(const SynapseKind& synapse, double dt_s) {
  const auto* lowpass = std::get_if<Lowpass>(&synapse);
  return lowpass != nullptr && lowpass->tau > 0 ? std::exp(-dt_s / lowpass->tau) : 0.0;
}

bool IsSimple(const Synapse& synapse, std::int64_t delay_steps) {
  return delay_steps == 0 && (!synapse || std::holds_alternative<Lowpass>(*synapse));
}

std::optional<std::int64_t> PureDelay(const Synapse& synapse, std::int64_t delay_steps) {
  if (!synapse) {
    return delay_steps;
  }
  const auto* lowpass = std::get_if<Lowpass>(&*synapse);
  return lowpass != nullptr && lowpass->tau == 0 ? std::optional(delay_steps + 1) : std::nullopt;
}

std::int64_t TriangleTaps(const Triangle& triangle, double dt_s) {
  const double steps = std::nearbyint(triangle.t / dt_s);
  if (!(steps < static_cast<double>(kMaxTaps))) {
    return kMaxTaps + 1;
  }
  return static_cast<std::int64_t>(std::max(steps, 0.0)) + 1;  // a t below 0 is refused elsewhere
}

double DefaultDt(const NetworkDefinition& definition) {
  return definition.defaults.dt > 0 ? definition.defaults.dt : kDefaultDt;
}

std::int64_t TapsInto(const NetworkDefinition& definition, const std::vector<Incoming>& incoming) {
  const double dt_s = DefaultDt(definition);
  std::int64_t taps = 0;
  for (const Incoming& one : incoming) {
    const Synapse& synapse = definition.connections[Index(one.connection)].synapse;
    const auto* triangle = synapse ? std::get_if<Triangle>(&*synapse) : nullptr;
    taps += triangle != nullptr ? TriangleTaps(*triangle, dt_s) : 0;
  }
  return taps;
}

AlphaWeights WeightsOf(const Alpha& alpha, double dt_s) {
  const double x = dt_s / alpha.tau;
  const double decay = alpha.tau > 0 ? std::exp(-x) : 0.0;
  if (decay == 0) {
    return {};
  }
  return {decay, -std::expm1(-x), x * decay, AlphaInputWeight(x)};
}

kernels::StateFilter Discretise(const LinearFilter& filter, double dt_s) {
  const Canonical canonical = MakeCanonical(filter);
  kernels::StateFilter system = canonical.system;
  if (filter.discrete || system.order == 0) {
    return system;
  }
  const double dt = dt_s * canonical.per_unit;
  constexpr std::size_t kInput = kernels::kMaxFilterOrder;  // states beyond the order stay 0
  Matrix matrix{};
  for (std::size_t i = 0; i < kInput; ++i) {
    for (std::size_t j = 0; j < kInput; ++j) {
      matrix[i][j] = system.a[i][j] * dt;
    }
    matrix[i][kInput] = system.b[i] * dt;
  }
  const Matrix exponential = Exponential(matrix);
  for (std::size_t i = 0; i < kInput; ++i) {
    for (std::size_t j = 0; j < kInput; ++j) {
      system.a[i][j] = exponential[i][j];
    }
    system.b[i] = exponential[i][kInput];
  }
  return system;
}

kernels::FilterConstants MakeFilter(const Synapse& synapse, std::int64_t delay_steps, double dt_s) {
  kernels::FilterConstants constants;
  if (synapse) {
    constants = std::visit([&](const auto& kind) { return MakeKind(kind, dt_s); }, *synapse);
  }
  constants.delay = delay_steps;
  return constants;
}

Status CheckTaps(const Network& network, double dt_s) {
  for (const ConnectionDefinition& connection : network.definition().connections) {
    if (HasTooManyTaps(connection.synapse, dt_s)) {
      return TooManyTaps(connection.synapse, dt_s,
                         "connection '" + connection.source + "' to '" + connection.target + "'");
    }
  }
  for (const ProbeDefinition& probe : network.definition().probes) {
    if (HasTooManyTaps(probe.synapse, dt_s)) {
      return TooManyTaps(probe.synapse, dt_s, "probe '" + probe.name + "'");
    }
  }
  return {};
}

}  // namespace spikeserve::engine
