#include "server/engine/run/constants/memory_constants.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/math/memory.h"
#include "kernels/math/memory_row.h"
#include "server/engine/network/index.h"
#include "server/engine/run/constants/initial_voltage.h"

namespace spikeserve::engine {
namespace {

std::int64_t LargestOf(const std::vector<std::int64_t>& values) {
  std::int64_t largest = 0;
  for (const std::int64_t value : values) {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

template <typename T>
bool Repeats(const std::vector<T>& values, std::size_t period) {
  return values.size() < period ||
         std::equal(values.begin() + static_cast<std::ptrdiff_t>(period), values.end(), values.begin());
}

}  // namespace

std::int64_t RoundMemory(double value) { return math::RoundWhole(value); }

void MemoryConstants::FindPeriod(std::int64_t channels) {
  const std::size_t all = Index(channels);
  const bool repeats = Repeats(bias, all) && Repeats(start, all) && Repeats(ceiling, all) &&
                       Repeats(shift, all) &&
                       std::all_of(offsets.begin(), offsets.end(),
                                   [all](const auto& of_term) { return Repeats(of_term, all); });
  period = repeats ? channels : static_cast<std::int64_t>(bias.size());
}

void MemoryConstants::AddOffsets(std::span<const float> of_term) {
  std::vector<std::int64_t>& added = offsets.emplace_back();
  added.reserve(of_term.size());
  for (std::size_t j = 0; j < of_term.size(); ++j) {
    added.push_back(RoundMemory(static_cast<double>(of_term[j]) * unit[j]));
    largest_offset = std::max(largest_offset, LargestOf(added));
  }
}

void MemoryConstants::Send(std::span<const std::int64_t> z, std::int64_t steps,
                           std::span<std::int64_t> sent) const {
  if (math::IsOfRow(function)) {
    SendRows(z, steps, sent);
    return;
  }
  for (std::size_t j = 0; j < sent.size(); ++j) {
    sent[j] = SentByOne(j, z[j], steps);
  }
}

void MemoryConstants::SendRows(std::span<const std::int64_t> z, std::int64_t steps,
                               std::span<std::int64_t> sent) const {
  const auto t = static_cast<double>(steps);
  std::vector<double> values(Index(row));
  for (std::size_t first = 0; first < sent.size(); first += Index(row)) {
    const double of_mean = t * (unit[first] * dt_s);
    if (function == math::MeanFunction::kNormalise) {
      math::NormaliseRow(z.data() + first, row, of_mean, alpha, values.data());
    } else {
      math::SoftmaxRow(z.data() + first, row, of_mean, values.data());
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      sent[first + i] = math::WholeSpikes(values[i] * (t * rate[first + i]) + start_spikes[first + i]);
    }
  }
}

std::int64_t MemoryConstants::SentByOne(std::size_t j, std::int64_t z, std::int64_t steps) const {
  if (function != math::MeanFunction::kNone) {
    return math::SentOfMean(function, alpha, z, steps, unit[j] * dt_s, rate[j], start_spikes[j]);
  }
  if (!ceiling.empty()) {
    z = math::AtMost(z, ceiling[j], steps);
  }
  return slope == 0 ? math::SentRectified(z, start[j], shift[j])
                    : math::SentLeaky(z, start[j], shift[j], slope);
}

bool MemoryConstants::Fits(std::int64_t steps) const {
  std::int64_t biases = 0;
  return !__builtin_mul_overflow(largest_bias, steps, &biases) && biases <= kLargestMemory &&
         largest_start <= kLargestMemory;
}

std::int64_t MemoryConstants::MostSteps() const {
  if (largest_start > kLargestMemory) {
    return -1;
  }
  return largest_bias == 0 ? INT64_MAX : kLargestMemory / largest_bias;
}

void MemoryConstants::SetStart(const Plan& plan, const Layer& layer, const RunSettings& settings) {
  if (ReadsCounts(layer)) {
    start.assign(Index(layer.size), 0);
    return;
  }
  const std::vector<double> voltages =
      InitialVoltages(*plan.network, settings.initial_voltage.value_or(NeuronsOf(layer)->initial_voltage),
                      layer.operation, layer.size, settings.seed);
  start.resize(voltages.size());
  for (std::size_t j = 0; j < start.size(); ++j) {
    start[j] = RoundMemory(voltages[j] * unit[j]);
  }
  largest_start = LargestOf(start);
  if (function != math::MeanFunction::kNone) {
    start_spikes = voltages;
    may_be_negative = SendsNegative(layer) || std::any_of(voltages.begin(), voltages.end(),
                                                          [](double voltage) { return voltage < 0; });
  }
}

MemoryConstants MakeMemoryConstants(const Plan& plan, const Layer& layer, const RunSettings& settings) {
  const NeuronLayer& neurons = *NeuronsOf(layer);
  const auto* rectified = std::get_if<MemoryRectifiedLinear>(&neurons.model);
  const MemoryRectifiedLinear model = rectified != nullptr ? *rectified : MemoryRectifiedLinear();
  MemoryConstants constants;
  constants.may_be_negative = SendsNegative(layer);
  if (const auto* of_mean = std::get_if<MemoryFunction>(&neurons.model)) {
    constants.function = of_mean->function;
    constants.alpha = of_mean->alpha;
    constants.dt_s = settings.dt_s;
    constants.row = neurons.row;
  }
  const bool product = neurons.counts == NeuronLayer::Counts::kProduct;
  for (const double scale : neurons.output_scale) {
    constants.rate.push_back(product ? scale / settings.dt_s : scale * settings.dt_s);
  }
  constants.shift = neurons.shift;
  const std::size_t size = Index(layer.size);
  constants.unit.reserve(size);
  constants.bias.reserve(size);
  constants.ceiling.reserve(model.max_value ? size : 0);
  for (std::size_t j = 0; j < size; ++j) {
    const double unit = std::ldexp(1.0, neurons.shift[j]);
    const double gain = neurons.gain.empty() ? 1.0 : neurons.gain[j];
    const double bias = neurons.bias.empty() ? 0.0 : neurons.bias[j];
    constants.unit.push_back(unit);
    constants.bias.push_back(RoundMemory((gain * layer.constant[j] + bias) * settings.dt_s * unit));
    if (model.max_value) {
      constants.ceiling.push_back(RoundMemory(*model.max_value * gain * settings.dt_s * unit));
    }
  }
  constants.slope = RoundMemory(std::ldexp(model.negative_slope, math::kSlopeBits));
  constants.largest_bias = LargestOf(constants.bias);
  constants.SetStart(plan, layer, settings);
  return constants;
}

}  // namespace spikeserve::engine
