#include "server/engine/reference_neurons.h"

#include <algorithm>
#include <cmath>

namespace spikeserve::engine {
namespace {

double Step(const std::monostate&, double, double, ReferenceNeuron&) { return 0; }

double Step(const RectifiedLinear&, double current, double, ReferenceNeuron&) {
  return std::max(current, 0.0);
}

double Step(const SpikingRectifiedLinear&, double current, double dt_s, ReferenceNeuron& neuron) {
  neuron.voltage += std::max(current, 0.0) * dt_s;
  const double spikes = std::floor(neuron.voltage);
  neuron.voltage -= spikes;
  return spikes;
}

double Step(const IntegrateAndFire&, double current, double dt_s, ReferenceNeuron& neuron) {
  neuron.voltage += current * dt_s;
  const double spikes = std::max(std::floor(neuron.voltage), 0.0);
  neuron.voltage -= spikes;
  return spikes;
}

double Step(const Lif& lif, double current, double dt_s, ReferenceNeuron& neuron) {
  const double active_s = std::clamp(dt_s - neuron.refractory, 0.0, dt_s);
  neuron.voltage += (neuron.voltage - current) * std::expm1(-active_s / lif.tau_rc);
  if (neuron.voltage > 1) {
    // Only an initial voltage above the threshold can lie above the current: then the crossing is now.
    const double since_crossing_s =
        current > neuron.voltage ? lif.tau_rc * std::log1p((1 - neuron.voltage) / (current - 1)) : 0.0;
    neuron.refractory = lif.tau_ref + since_crossing_s;
    neuron.voltage = 0;
    return 1;
  }
  neuron.refractory -= dt_s;
  neuron.voltage = std::max(neuron.voltage, lif.min_voltage);
  return 0;
}

double AmplitudeOf(const std::monostate&) { return 1; }
template <typename Model>
double AmplitudeOf(const Model& model) {
  return model.amplitude;
}

}  // namespace

double StepReference(const NeuronModel& model, double current, double dt_s, ReferenceNeuron& neuron) {
  return std::visit([&](const auto& kind) { return Step(kind, current, dt_s, neuron); }, model);
}

bool IsSpiking(const NeuronModel& model) { return !std::holds_alternative<RectifiedLinear>(model); }

double OutputUnit(const NeuronModel& model, double dt_s) {
  const double amplitude = std::visit([](const auto& kind) { return AmplitudeOf(kind); }, model);
  return IsSpiking(model) ? amplitude / dt_s : amplitude;
}

}  // namespace spikeserve::engine
