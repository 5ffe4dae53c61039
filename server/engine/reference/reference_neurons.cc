#include "server/engine/reference/reference_neurons.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

double Rate(const std::monostate&, double, double, ReferenceNeuron&) { return 0; }

double Rate(const RectifiedLinear& model, double current, double, ReferenceNeuron&) {
  return model.amplitude * std::max(current, 0.0);
}

double Rate(const LeakyRectifiedLinear& model, double current, double, ReferenceNeuron&) {
  return model.amplitude * (std::max(current, 0.0) + model.negative_slope * std::min(current, 0.0));
}

double Rate(const Sigmoid& model, double current, double, ReferenceNeuron&) {
  return 1 / (model.tau_ref * (1 + std::exp(-current)));
}

double Rate(const Tanh& model, double current, double, ReferenceNeuron&) {
  return std::tanh(current) / model.tau_ref;
}

double Rate(const LifRate& model, double current, double, ReferenceNeuron&) {
  return current > 1 ? model.amplitude / (model.tau_ref + model.tau_rc * std::log1p(1 / (current - 1))) : 0;
}

double Rate(const SoftLifRate& model, double current, double, ReferenceNeuron&) {
  const double x = (current - 1) / model.sigma;
  const double softplus = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  const double q = x <= -20 ? -x - std::log(model.sigma) : std::log1p(1 / (model.sigma * softplus));
  return model.amplitude / (model.tau_ref + model.tau_rc * q);
}

double Rate(const AdaptiveLifRate& model, double current, double dt_s, ReferenceNeuron& neuron) {
  const LifRate lif{model.tau_rc, model.tau_ref, model.amplitude};
  const double output = Rate(lif, current - neuron.adaptation, dt_s, neuron);
  neuron.adaptation += dt_s / model.tau_n * (model.inc_n * output - neuron.adaptation);
  return output;
}

double RateOf(const RateModel& base, const ReferenceStep& step, ReferenceNeuron& neuron) {
  return std::visit([&](const auto& kind) { return Rate(kind, step.current, step.dt_s, neuron); }, base);
}

// Rate models: their output.
template <typename Model>
double Step(const Model& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  return Rate(model, step.current, step.dt_s, neuron);
}

double Step(const SpikingRectifiedLinear&, const ReferenceStep& step, ReferenceNeuron& neuron) {
  neuron.voltage += std::max(step.current, 0.0) * step.dt_s;
  const double spikes = std::floor(neuron.voltage);
  neuron.voltage -= spikes;
  return spikes;
}

double Step(const IntegrateAndFire& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  neuron.voltage += step.current * step.dt_s;
  const double spikes = std::max(std::floor(neuron.voltage), 0.0);
  neuron.voltage = std::max(neuron.voltage - spikes, model.min_voltage);
  return spikes;
}

double Step(const SpikingLeakyRectifiedLinear& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  const double current = std::max(step.current, 0.0) + model.negative_slope * std::min(step.current, 0.0);
  neuron.voltage += current * step.dt_s;
  const double spikes = std::trunc(neuron.voltage);
  neuron.voltage -= spikes;
  return spikes;
}

double Step(const MemoryRectifiedLinear& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  neuron.received += step.current * step.dt_s;
  neuron.voltage = neuron.start + neuron.received;
  double charge = neuron.received;
  if (model.max_value) {
    charge = std::min(charge, *model.max_value * step.gain * step.dt_s * (step.site.step + 1.0));
  }
  const double before = neuron.sent;
  if (model.negative_slope == 0) {
    neuron.sent = std::max(std::floor(charge + neuron.start), 0.0);
  } else {
    neuron.sent = std::floor((charge < 0 ? model.negative_slope * charge : charge) + neuron.start);
  }
  return neuron.sent - before;
}

// By the functions of the library, which differ from those of the other modes in the last bits.
double OfMean(const MemoryFunction& model, double x) {
  using math::MeanFunction;
  switch (model.function) {
    case MeanFunction::kSigmoid: return 1 / (1 + std::exp(-x));
    case MeanFunction::kTanh: return std::tanh(x);
    case MeanFunction::kSwish: return x / (1 + std::exp(-x));
    case MeanFunction::kGelu: return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case MeanFunction::kGeluTanh: {
      const double pi = std::acos(-1.0);
      return x / 2 * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * std::pow(x, 3))));
    }
    case MeanFunction::kElu: return x < 0 ? model.alpha * std::expm1(x) : x;
    case MeanFunction::kSelu:
      return 1.0507009873554804934 * (x < 0 ? 1.6732632423543772848 * std::expm1(x) : x);
    case MeanFunction::kSoftplus: return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x));
    case MeanFunction::kMish: return x * std::tanh(x > 30 ? x : std::log1p(std::exp(x)));
    case MeanFunction::kHardSigmoid: return std::clamp(x / 6 + 0.5, 0.0, 1.0);
    case MeanFunction::kHardSwish: return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
    case MeanFunction::kExponential: return std::exp(x);
    case MeanFunction::kSoftsign: return x / (1 + std::abs(x));
    case MeanFunction::kNormalise:
    case MeanFunction::kSoftmax:
    case MeanFunction::kNone: break;
  }
  return 0;
}

std::vector<double> OfRow(const MemoryFunction& model, std::vector<double> x) {
  const auto n = static_cast<double>(x.size());
  if (model.function == math::MeanFunction::kNormalise) {
    const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
    double variance = 0;
    for (double& value : x) {
      value -= mean;
      variance += value * value / n;
    }
    for (double& value : x) {
      value /= std::sqrt(variance + model.alpha);
    }
    return x;
  }
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) {
    sum += value = std::exp(value - largest);
  }
  for (double& value : x) {
    value /= sum;
  }
  return x;
}

double Step(const MemoryFunction& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  neuron.received += step.current * step.dt_s;
  neuron.voltage = neuron.start + neuron.received;
  const double time_s = (step.site.step + 1.0) * step.dt_s;
  const double before = neuron.sent;
  const double mean = OfMean(model, neuron.received / time_s);
  neuron.sent = std::floor(mean * step.output_scale * time_s + neuron.start);
  return neuron.sent - before;
}

double Step(const Lif& lif, const ReferenceStep& step, ReferenceNeuron& neuron) {
  const double current = step.current;
  const double active_s = std::clamp(step.dt_s - neuron.refractory, 0.0, step.dt_s);
  neuron.voltage += (neuron.voltage - current) * std::expm1(-active_s / lif.tau_rc);
  if (neuron.voltage > 1) {
    // Only an initial voltage above the threshold can lie above the current: then the crossing is now.
    const double since_crossing_s =
        current > neuron.voltage ? lif.tau_rc * std::log1p((1 - neuron.voltage) / (current - 1)) : 0.0;
    neuron.refractory = lif.tau_ref + since_crossing_s;
    neuron.voltage = 0;
    return 1;
  }
  neuron.refractory -= step.dt_s;
  neuron.voltage = std::max(neuron.voltage, lif.min_voltage);
  return 0;
}

double Step(const AdaptiveLif& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  ReferenceStep adapted = step;
  adapted.current -= neuron.adaptation;
  const Lif lif{model.tau_rc, model.tau_ref, model.min_voltage, model.amplitude};
  const double spikes = Step(lif, adapted, neuron);
  const double output = spikes * model.amplitude / step.dt_s;
  neuron.adaptation += step.dt_s / model.tau_n * (model.inc_n * output - neuron.adaptation);
  return spikes;
}

double Step(const Izhikevich& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  double& v = neuron.voltage;
  double& u = neuron.recovery;
  const double dt_ms = 1000 * step.dt_s;
  v += (0.04 * v * v + 5 * v + 140 - u + std::max(step.current, -30.0)) * dt_ms;
  const bool spike = v >= 30;
  v = spike ? model.reset_voltage : v;
  u += model.tau_recovery * (model.coupling * v - u) * dt_ms;
  u += spike ? model.reset_recovery : 0.0;
  return spike ? 1 : v - v;  // not a number where the voltage is none
}

double Step(const RegularSpiking& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  neuron.voltage += RateOf(model.base, step, neuron) * step.dt_s;
  const double spikes = std::floor(neuron.voltage);
  neuron.voltage -= spikes;
  return spikes;
}

double Step(const StochasticSpiking& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  const double rate = RateOf(model.base, step, neuron);
  const double count =
      math::StochasticCount(std::abs(rate) * step.dt_s, step.site.stream, step.site.neuron, step.site.step);
  return rate < 0 ? -count : count;
}

double Step(const PoissonSpiking& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  const double rate = RateOf(model.base, step, neuron);
  const double count =
      math::PoissonCount(std::abs(rate) * step.dt_s, step.site.stream, step.site.neuron, step.site.step);
  return rate < 0 ? -count : count;
}

}  // namespace

double StepReference(const NeuronModel& model, const ReferenceStep& step, ReferenceNeuron& neuron) {
  return std::visit([&](const auto& kind) { return Step(kind, step, neuron); }, model);
}

void StepReferenceRow(const MemoryFunction& model, const ReferenceStep& step,
                      std::span<const double> output_scale, std::span<ReferenceNeuron> row,
                      std::span<double> current) {
  const double time_s = (step.site.step + 1.0) * step.dt_s;
  std::vector<double> means;
  for (std::size_t j = 0; j < row.size(); ++j) {
    row[j].received += current[j] * step.dt_s;
    row[j].voltage = row[j].start + row[j].received;
    means.push_back(row[j].received / time_s);
  }
  const std::vector<double> values = OfRow(model, std::move(means));
  for (std::size_t j = 0; j < row.size(); ++j) {
    const double before = row[j].sent;
    row[j].sent = std::floor(values[j] * output_scale[j] * time_s + row[j].start);
    current[j] = row[j].sent - before;
  }
}

double OutputUnit(const NeuronModel& model, double dt_s) {
  return IsSpiking(model) ? SpikeAmplitude(model) / dt_s : 1.0;
}

}  // namespace spikeserve::engine
